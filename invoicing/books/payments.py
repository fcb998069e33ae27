"""Owns invariant 7: the money of every invoice is accounted for (billing rules 11)."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from core.money import ZERO, trimmed
from invoicing.books.examination import (
    INVOICES_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.choices import OPEN_STATUSES, UNISSUED_STATUSES, BalanceKind, InvoiceStatus, PaymentStatus, RefundStatus
from invoicing.models import BalanceEntry, CreditNote, Invoice, Payment, Refund, WriteOff

RESTORE = "Compare the invoice with its payments and the payment provider's record, and correct what is wrong."


def money_is_accounted_for(exam: Examination) -> Iterator[Finding]:
    """total - credited = paid - refunded - moved to balance + from balance + written off + due, with what moved it."""
    standard = Invoice.objects.exclude(status=InvoiceStatus.GATHERING)
    yield from piece_by_piece(exam, standard, INVOICES_AT_ONCE, _invoices)


def _invoices(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    moved = _Movements.of(ids)
    for invoice in Invoice.objects.filter(pk__in=ids).select_related("customer").order_by("pk"):
        problem = _problem(invoice, moved)
        if problem:
            customer = invoice.customer
            name = name_customer(customer.name, customer.key, customer.id)
            yield Finding(name_invoice(invoice.number, invoice.id, name), problem, RESTORE)
    exam.count(len(ids))


@dataclass(frozen=True, slots=True)
class _Movements:
    """What moved the money of a batch of invoices, in sums by invoice."""

    received: dict[uuid.UUID, Decimal]
    overpaid: dict[uuid.UUID, Decimal]
    foreign: dict[uuid.UUID, int]
    refunded: dict[uuid.UUID, Decimal]
    from_balance: dict[uuid.UUID, Decimal]
    written_off: dict[uuid.UUID, Decimal]
    noted: dict[uuid.UUID, Decimal]
    credited: dict[uuid.UUID, Decimal]
    overpayment_entries: dict[uuid.UUID, Decimal]
    refund_entries: dict[uuid.UUID, Decimal]

    @classmethod
    def of(cls, ids: Collection[uuid.UUID]) -> "_Movements":
        succeeded = Payment.objects.filter(invoice__in=ids, status=PaymentStatus.SUCCEEDED)
        foreign = Payment.objects.filter(~Q(currency=F("invoice__currency")), invoice__in=ids)
        refunds = Refund.objects.filter(invoice__in=ids).exclude(status=RefundStatus.FAILED)
        notes = CreditNote.objects.filter(invoice__in=ids)
        entries = BalanceEntry.objects.filter(invoice__in=ids)
        return cls(
            received=_sums(succeeded, "amount"),
            overpaid=_sums(succeeded, "to_balance"),
            foreign=dict(foreign.order_by().values_list("invoice").annotate(n=Count("id"))),
            refunded=_sums(refunds, "amount"),
            from_balance=_sums(refunds, "from_balance"),
            written_off=_sums(WriteOff.objects.filter(invoice__in=ids), "amount"),
            noted=_sums(notes, "moved_to_balance"),
            credited=_sums(notes, "total"),
            overpayment_entries=_sums(entries.filter(kind=BalanceKind.OVERPAYMENT), "amount"),
            refund_entries=_sums(entries.filter(kind=BalanceKind.REFUND), "amount"),
        )


def _sums(rows: QuerySet[Any], column: str) -> dict[uuid.UUID, Decimal]:
    return dict(rows.order_by().values_list("invoice").annotate(total=Sum(column)))


def _problem(invoice: Invoice, moved: _Movements) -> str | None:
    pk = invoice.pk
    if moved.foreign.get(pk):
        return f"{moved.foreign[pk]} of its payments are not in {invoice.currency}."
    overpaid, from_balance = moved.overpaid.get(pk, ZERO), moved.from_balance.get(pk, ZERO)
    entered = moved.overpayment_entries.get(pk, ZERO)
    if overpaid != entered:
        return f"{trimmed(overpaid)} of its payments was too much; the balance's ledger has {trimmed(entered)} of it."
    entered = -moved.refund_entries.get(pk, ZERO)
    if from_balance != entered:
        return f"{trimmed(from_balance)} was refunded from the balance; its ledger says {trimmed(entered)}."
    received = moved.received.get(pk, ZERO)
    if invoice.status == InvoiceStatus.VOIDED:
        if invoice.due or invoice.paid:
            return f"it is voided, but {trimmed(invoice.due)} is due and {trimmed(invoice.paid)} paid."
        if received != overpaid:
            return f"it is voided, but {trimmed(received - overpaid)} of its payments is not on the balance."
        return None
    columns = {
        "paid": (invoice.paid, received, "payments"),
        "refunded": (invoice.refunded, moved.refunded.get(pk, ZERO), "refunds"),
        "written off": (invoice.written_off, moved.written_off.get(pk, ZERO), "write-offs"),
        "credited": (invoice.credited, moved.credited.get(pk, ZERO), "credit notes"),
        "moved to the balance": (
            invoice.moved_to_balance,
            moved.noted.get(pk, ZERO) + overpaid - from_balance,
            "credit notes, payments and refunds",
        ),
    }
    for words, (says, sums, whose) in columns.items():
        if says != sums:
            return f"it says that {trimmed(says)} is {words}; its {whose} come to {trimmed(sums)}."
    return _identity_problem(invoice)


def _identity_problem(invoice: Invoice) -> str | None:
    owed = invoice.total - invoice.credited
    settled = (
        invoice.paid
        - invoice.refunded
        - invoice.moved_to_balance
        + invoice.applied_from_balance
        + invoice.written_off
        + invoice.due
    )
    if owed != settled:
        return f"{trimmed(owed)} was to be settled, but its columns account for {trimmed(settled)}."
    if invoice.status == InvoiceStatus.PAID and invoice.due:
        return f"it is paid, but {trimmed(invoice.due)} is due."
    if invoice.status in OPEN_STATUSES and not invoice.due:
        return f"nothing is due, but it is not paid: {invoice.get_status_display().lower()}."
    if invoice.status in UNISSUED_STATUSES and invoice.paid:
        return f"it is a draft, but {trimmed(invoice.paid)} is paid."
    return None
