"""Reads off the tables what a look ahead has brought about: whatever was not there before it."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, OuterRef, Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast, JSONObject

from core import clock
from core.money import ZERO
from customers.models import Customer
from invoicing.choices import DRAFT_STATUSES, InvoiceStatus, LineKind
from invoicing.models import BalanceEntry, CreditNote, CreditNoteLine, Invoice, InvoiceLine
from invoicing.previews.outlook import CREDIT_NOTE, INVOICE, BalanceMovement, Outlook, OutlookDocument, OutlookLine

_INVOICE_TOTALS = (
    "amount",
    "charges_total",
    "discounts_total",
    "credits_total",
    "taxes_inclusive_total",
    "taxes_exclusive_total",
    "taxes_total",
    "total",
)
_NOTE_TOTALS = ("amount", "taxes_total", "total")


@dataclass(frozen=True, slots=True)
class Known:
    """What a customer has before a look ahead: since `now` (a clock may stand still), and of drafts their totals; and
    the balance, by currency."""

    now: datetime
    invoices: frozenset[uuid.UUID]
    notes: frozenset[uuid.UUID]
    entries: frozenset[uuid.UUID]
    drafts: dict[uuid.UUID, Decimal]
    balance: dict[str, Decimal]


def known_of(customer_id: uuid.UUID) -> Known:
    """What there is now. One query: totals as text, because JSON knows no decimals."""
    now, mine = clock.now(), {"customer": OuterRef("pk")}
    drafts = Invoice.objects.filter(status__in=DRAFT_STATUSES, **mine).order_by()
    rows = drafts.annotate(row=JSONObject(id=Cast("pk", CharField()), total=Cast("total", TextField()))).values("row")
    ledger = BalanceEntry.objects.filter(**mine).order_by().values("currency")
    sums = ledger.annotate(row=JSONObject(currency="currency", sum=Cast(Sum("amount"), TextField()))).values("row")
    invoices, notes, entries, drafted, balances = (
        Customer.objects.order_by()
        .values_list(
            _ids(Invoice.objects.filter(created_at__gte=now, **mine)),
            _ids(CreditNote.objects.filter(created_at__gte=now, **mine)),
            _ids(BalanceEntry.objects.filter(at__gte=now, **mine)),
            ArraySubquery(rows),
            ArraySubquery(sums),
        )
        .get(pk=customer_id)
    )
    totals = {uuid.UUID(row["id"]): Decimal(row["total"]) for row in drafted}
    balance = {row["currency"]: Decimal(row["sum"]) for row in balances}
    return Known(now, frozenset(invoices), frozenset(notes), frozenset(entries), totals, balance)


def read_outlook(
    customer_id: uuid.UUID, known: Known, *, until: datetime, gathered_from: datetime | None, cause: str | None
) -> Outlook:
    """What has come about since. Five queries at most."""
    invoices = _invoices(customer_id, known)
    notes = CreditNote.objects.filter(customer_id=customer_id, created_at__gte=known.now).exclude(pk__in=known.notes)
    documents = [*invoices, *_notes(notes.select_related("invoice").order_by("id"), known)]
    # Of one moment: in the order in which a close makes them, invoices first.
    documents.sort(key=lambda document: (document.at, not document.is_invoice))
    return Outlook(until, tuple(documents), _movements(customer_id, known), gathered_from, cause)


def _ids(rows: QuerySet[Any]) -> ArraySubquery:
    return ArraySubquery(rows.order_by().values("pk"))


def _invoices(customer_id: uuid.UUID, known: Known) -> list[OutlookDocument]:
    """Those that were made, and drafts that were there already and are issued, or come to something else."""
    made = Q(created_at__gte=known.now) & ~Q(pk__in=known.invoices)
    found = Invoice.objects.filter(made | Q(pk__in=known.drafts), customer_id=customer_id).exclude(
        status__in=[InvoiceStatus.GATHERING, InvoiceStatus.DELETED]
    )
    shown = [
        invoice
        for invoice in found.order_by("id")
        if invoice.issued_at is not None or known.drafts.get(invoice.pk) != invoice.total
    ]
    lines: dict[uuid.UUID, list[OutlookLine]] = defaultdict(list)
    rows = InvoiceLine.objects.filter(invoice__in=[invoice.pk for invoice in shown], deleted_at__isnull=True)
    for line in rows.select_related("item").order_by("position", "id"):
        lines[line.invoice_id].append(_line(line))
    return [_invoice(invoice, lines[invoice.pk]) for invoice in shown]


def _line(line: InvoiceLine) -> OutlookLine:
    return OutlookLine(
        name=line.name,
        kind=line.kind,
        subscription_id=line.subscription_id,
        running_number=line.item.running_number if line.item is not None else None,
        period_start=line.period_start,
        period_end=line.period_end,
        amount=line.amount + line.charges_total - line.discounts_total,
        taxes_total=line.taxes_total,
        total=line.total,
        made_at=line.created_at,
    )


def _invoice(invoice: Invoice, lines: Iterable[OutlookLine]) -> OutlookDocument:
    waits = invoice.issued_at is None and not invoice.workflow_snapshot["values"]["auto_advance"]
    drafted = invoice.created_at if waits else invoice.draft_until or invoice.created_at
    return OutlookDocument(
        type=INVOICE,
        at=invoice.issued_at or drafted,
        currency=invoice.currency,
        totals={name: getattr(invoice, name) for name in _INVOICE_TOTALS},
        lines=tuple(lines),
        due=invoice.total - invoice.applied_from_balance,
        applied_from_balance=invoice.applied_from_balance,
        is_draft=invoice.issued_at is None,
        needs_approval=waits,
    )


def _notes(notes: Iterable[CreditNote], known: Known) -> list[OutlookDocument]:
    listed = list(notes)
    if not listed:
        return []
    lines: dict[uuid.UUID, list[OutlookLine]] = defaultdict(list)
    made_at = {note.pk: note.created_at for note in listed}
    rows = CreditNoteLine.objects.filter(credit_note__in=made_at).select_related("invoice_line__item")
    for line in rows.order_by("position", "id"):
        charged = line.invoice_line
        lines[line.credit_note_id].append(
            OutlookLine(
                name=line.name,
                kind=LineKind.CREDIT.value,
                subscription_id=charged.subscription_id,
                running_number=charged.item.running_number if charged.item is not None else None,
                period_start=line.period_start,
                period_end=line.period_end,
                amount=line.amount,
                taxes_total=line.taxes_total,
                total=line.total,
                made_at=made_at[line.credit_note_id],
            )
        )
    return [
        OutlookDocument(
            type=CREDIT_NOTE,
            at=note.issued_at,
            currency=note.currency,
            totals={name: getattr(note, name) for name in _NOTE_TOTALS},
            lines=tuple(lines[note.pk]),
            over=_number(note.invoice, known),
            reduced_due=note.reduced_due,
            moved_to_balance=note.moved_to_balance,
        )
        for note in listed
    ]


def _number(invoice: Invoice, known: Known) -> str | None:
    """The invoice's number, unless it gets one only in this look ahead: that is none of its series."""
    was_there = invoice.pk in known.invoices or invoice.created_at < known.now
    return invoice.number if was_there and invoice.pk not in known.drafts else None


def _movements(customer_id: uuid.UUID, known: Known) -> tuple[BalanceMovement, ...]:
    """Those of documents that were made, too: what happens now has a time that was read before `known` was."""
    of_new_note = Q(credit_note__created_at__gte=known.now) & ~Q(credit_note__in=known.notes)
    of_new_invoice = Q(invoice__created_at__gte=known.now) & ~Q(invoice__in=known.invoices)
    mine = BalanceEntry.objects.filter(customer_id=customer_id).exclude(pk__in=known.entries)
    new = mine.filter(Q(at__gte=known.now) | of_new_note | of_new_invoice)
    balance = defaultdict(lambda: ZERO, known.balance)
    found = []
    for row in new.order_by("at", "id"):
        balance[row.currency] += row.amount
        found.append(BalanceMovement(row.at, row.kind, row.amount, row.currency, balance[row.currency]))
    return tuple(found)
