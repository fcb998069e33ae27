"""Owns invariant 6: the customers' balances are the sums of their ledgers, and documents say what the ledgers say."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, Sum

from core.money import ZERO, trimmed
from customers.models import Customer
from invoicing.books.examination import (
    INVOICES_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.choices import BalanceKind, InvoiceStatus
from invoicing.models import BalanceEntry, CreditNote, Invoice

RESTORE = (
    "The ledger takes inserts only: find out what was written past the services, and add the entry that corrects it."
)

_NOTED = Q(balance_entries__kind=BalanceKind.CREDIT_NOTE)
# What a void gave back is applied no more.
_APPLIED = Q(balance_entries__kind__in=[BalanceKind.APPLIED, BalanceKind.RELEASED])


def balances_are_their_ledgers(exam: Examination) -> Iterator[Finding]:
    """No balance is overdrawn; what credit notes moved to one, and invoices took from one, is in its ledger."""
    yield from _overdrawn(exam)
    standard = Invoice.objects.exclude(status=InvoiceStatus.GATHERING)
    yield from piece_by_piece(exam, standard, INVOICES_AT_ONCE, _invoices)
    yield from piece_by_piece(exam, CreditNote.objects.all(), INVOICES_AT_ONCE, _notes)


def _overdrawn(exam: Examination) -> Iterator[Finding]:
    sums = BalanceEntry.objects.order_by("customer_id", "currency").values_list("customer_id", "currency")
    for customer_id, currency, balance in sums.annotate(balance=Sum("amount")).iterator(chunk_size=500):
        exam.count(1)
        if balance < 0:
            customer = Customer.objects.get(pk=customer_id)
            yield Finding(
                f"Customer {name_customer(customer.name, customer.key, customer.id)}",
                f"their balance is overdrawn: {trimmed(balance)} {currency}.",
                RESTORE,
            )


def _invoices(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    rows: Any = Invoice.objects.filter(pk__in=ids).select_related("customer").order_by("pk")
    for invoice in rows.annotate(applied=Sum("balance_entries__amount", filter=_APPLIED, default=ZERO)):
        if invoice.applied_from_balance != -invoice.applied:
            customer = invoice.customer
            yield Finding(
                name_invoice(invoice.number, invoice.id, name_customer(customer.name, customer.key, customer.id)),
                f"it says that it took {trimmed(invoice.applied_from_balance)} from the customer's balance; the ledger "
                f"says {trimmed(-invoice.applied)}.",
                RESTORE,
            )


def _notes(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    rows: Any = CreditNote.objects.filter(pk__in=ids).order_by("pk")
    rows = rows.annotate(into=Sum("balance_entries__amount", filter=_NOTED, default=ZERO))
    for note in rows:
        if note.moved_to_balance != note.into:
            yield Finding(
                f"Credit note {note.number}",
                f"it moved {trimmed(note.moved_to_balance)} to the customer's balance; the ledger says "
                f"{trimmed(note.into)}.",
                RESTORE,
            )
