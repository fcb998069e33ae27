"""Books credit notes: numbers them, takes what they give back off their invoices, and puts the rest on the balance."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.bulk import copy_rows, update_rows
from core.ids import new_id, to_text
from core.money import ZERO, round_money
from invoicing.choices import SETTLEABLE_STATUSES, BalanceKind, InvoiceStatus, SeriesKind
from invoicing.corrections.credit_rows import credit_note_line_rows, credit_note_row
from invoicing.corrections.credit_tax import tax_credit_notes
from invoicing.corrections.documents import CreditNoteDocument
from invoicing.errors import CannotBill
from invoicing.lifecycle.numbering import take_blocks
from invoicing.lifecycle.states import move
from invoicing.models import BalanceEntry, CreditNote, CreditNoteLine, Invoice, WriteOff

_COLUMNS = (
    "credited",
    "due",
    "written_off",
    "moved_to_balance",
    "status",
    "status_note",
    "next_collection_at",
    "updated_at",
)


def book_credit_notes(
    notes: Sequence[CreditNoteDocument], *, now: datetime, billed_by: Collection[uuid.UUID] = ()
) -> None:
    """Issue these credit notes, dated `now`, in the caller's transaction, which holds the customers' locks (billing
    rules 10, 11).

    Gross, at the original lines' tax: first off what is still due on the original invoice, then off what was written
    off there, which nobody has paid; the rest to the balance.
    `billed_by` are the suppliers that the same transaction may issue invoices of later on. CannotBill, and nothing is
    booked, for a note over a draft.
    """
    if not notes:
        return
    invoices = {
        invoice.id: invoice
        for invoice in Invoice.objects.select_for_update()
        .filter(pk__in={note.invoice_id for note in notes})
        .order_by("id")
    }
    for invoice in invoices.values():
        if invoice.issued_at is None:
            raise CannotBill(
                f"The draft {to_text(invoice.id)} charged for time that is to be given back, and no credit note can be "
                "made out over a draft. Issue or delete that draft first. Nothing was changed.",
                code="draft_not_issued",
            )
    suppliers = {note.id: invoices[note.invoice_id].supplier_id for note in notes}
    blocks = take_blocks(
        Counter(supplier for supplier in suppliers.values() if supplier is not None),
        kind=SeriesKind.CREDIT_NOTE,
        issue_at=now,
        also=billed_by,
    )
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    losses: list[dict[str, Any]] = []
    tax_credit_notes(notes)
    for note in notes:
        supplier_id = suppliers[note.id]
        assert supplier_id is not None
        row = credit_note_row(note, blocks[supplier_id], now)
        invoice = invoices[note.invoice_id]
        on_due = min(row["total"], invoice.due)
        lost = min(row["total"] - on_due, invoice.written_off)
        row["reduced_due"] = round_money(on_due + lost, note.currency)
        row["moved_to_balance"] = row["total"] - row["reduced_due"]
        invoice.credited += row["total"]
        invoice.due -= on_due
        invoice.written_off -= lost
        if lost:
            losses.append(_no_loss(row, lost))
        invoice.moved_to_balance += row["moved_to_balance"]
        if row["moved_to_balance"]:
            entries.append(_entry(row))
        rows.append(row)
        lines += credit_note_line_rows(note)
    copy_rows(CreditNote, rows)
    copy_rows(CreditNoteLine, lines)
    copy_rows(BalanceEntry, entries)
    copy_rows(WriteOff, losses)
    for invoice in invoices.values():
        if invoice.due == ZERO and invoice.written_off == ZERO and invoice.status in SETTLEABLE_STATUSES:
            # With nothing due any more it is settled, and not collected.
            move(invoice, InvoiceStatus.PAID, note="Settled by credit note")
            invoice.next_collection_at = None
        invoice.updated_at = now
    update_rows(
        Invoice,
        _COLUMNS,
        [[invoice.pk, *(getattr(invoice, column) for column in _COLUMNS)] for invoice in invoices.values()],
    )


def _entry(note: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "customer_id": note["customer_id"],
        "currency": note["currency"],
        "kind": BalanceKind.CREDIT_NOTE.value,
        "amount": note["moved_to_balance"],
        "at": note["issued_at"],
        "invoice_id": note["invoice_id"],
        "credit_note_id": note["id"],
        "payment_id": None,
        "refund_id": None,
        "reason": "",
    }


def _no_loss(note: dict[str, Any], amount: Decimal) -> dict[str, Any]:
    """What was written off and is owed no more was no loss."""
    return {
        "id": new_id(),
        "invoice_id": note["invoice_id"],
        "payment_id": None,
        "amount": -amount,
        "currency": note["currency"],
        "reason": f"Credited by {note['number']}.",
        "at": note["issued_at"],
    }
