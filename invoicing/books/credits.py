"""Owns what credit notes must add up to: their lines, what their invoices say, and never more than was charged."""

import uuid
from collections.abc import Iterator, Sequence

from django.db.models import Q, Sum

from core.money import ZERO, trimmed
from invoicing.books.examination import (
    INVOICES_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.choices import LineKind
from invoicing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine

RESTORE = "Credit notes take inserts only: restore the rows from a backup."
TOO_MUCH = "Find out which credit came twice, and charge it again."


def credit_notes_add_up(exam: Examination) -> Iterator[Finding]:
    """The lines of a note add up to it, and no line gives back more than the line that it names had charged."""
    yield from piece_by_piece(exam, CreditNote.objects.all(), INVOICES_AT_ONCE, _lines_of_notes)
    credited = InvoiceLine.objects.filter(
        Q(credit_note_lines__isnull=False) | Q(amendments__kind=LineKind.CREDIT, amendments__deleted_at__isnull=True)
    )
    yield from piece_by_piece(exam, credited.distinct(), INVOICES_AT_ONCE, _too_much)


def _lines_of_notes(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    sums = CreditNoteLine.objects.filter(credit_note_id__in=ids).order_by().values_list("credit_note_id")
    by_note = {row[0]: row[1:] for row in sums.annotate(a=Sum("amount"), t=Sum("taxes_total"), g=Sum("total"))}
    for note in CreditNote.objects.filter(pk__in=ids).order_by("pk"):
        said, found = (note.amount, note.taxes_total, note.total), by_note.get(note.id, (ZERO, ZERO, ZERO))
        for word, here, there in zip(("amount", "tax", "total"), said, found, strict=True):
            if here != there:
                yield Finding(
                    f"Credit note {note.number}",
                    f"its {word} is {trimmed(here)}, but its lines add up to {trimmed(there)}.",
                    RESTORE,
                )
    exam.count(len(ids))


def _too_much(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    notes = CreditNoteLine.objects.filter(invoice_line_id__in=ids).order_by().values_list("invoice_line_id")
    by_note = dict(notes.annotate(amount=Sum("amount")))
    lines = InvoiceLine.objects.giving_back().filter(amends_id__in=ids)
    by_line = dict(lines.order_by().values_list("amends_id").annotate(amount=Sum("amount")))
    charged = InvoiceLine.objects.filter(pk__in=ids).select_related("invoice__customer").order_by("pk")
    for line in charged:
        net = line.amount + line.charges_total - line.discounts_total
        back = by_note.get(line.id, ZERO) - by_line.get(line.id, ZERO)
        if back > net:
            invoice: Invoice = line.invoice
            customer = invoice.customer
            name = name_invoice(invoice.number, invoice.id, name_customer(customer.name, customer.key, customer.id))
            yield Finding(
                f"{name}, line {line.name}",
                f"it charged {trimmed(net)} net, but {trimmed(back)} came back.",
                TOO_MUCH,
            )
