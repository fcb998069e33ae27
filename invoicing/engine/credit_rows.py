"""Turns what comes back into rows: credit lines on invoices, credit notes and their lines."""

import uuid
from datetime import datetime
from typing import Any

from core.ids import new_id, to_text
from core.jsontext import canonical_json
from core.money import ONE, ZERO, round_share, to_wire
from invoicing.choices import CreditReason, LineKind, LineManagedBy, LineStatus
from invoicing.engine.documents import CreditLine, CreditNoteDocument
from invoicing.engine.numbering import NumberBlock
from invoicing.engine.rows import Row, tax_columns
from invoicing.rating.explain import VERSION
from invoicing.rating.values import REGULAR


def credit_row(credit: CreditLine, invoice_id: uuid.UUID, now: datetime) -> Row:
    """A line that gives back an unused part, and names the line that had charged it."""
    unused = credit.unused
    return {
        "id": credit.id,
        "created_at": now,
        "updated_at": now,
        "invoice_id": invoice_id,
        "position": 0,
        "kind": LineKind.CREDIT.value,
        "status": LineStatus.VALID.value,
        "managed_by": LineManagedBy.SUBSCRIPTION.value,
        "parent_id": None,
        "amends_id": unused.line.id,
        "name": unused.name,
        "description": None,
        "metadata": "{}",
        "currency": unused.subscription.currency,
        "subscription_id": unused.subscription.id,
        "item_id": unused.item.id,
        "revision_id": unused.revision.id,
        "feature_key": unused.revision.feature_key,
        "period_start": unused.start,
        "period_end": unused.end,
        "invoice_at": unused.start,
        "price": None,
        "discounts": None,
        "tax_config": None,
        "components": None,
        "quantity": ONE,
        "metered_quantity": None,
        "pre_period_quantity": None,
        "explain": canonical_json(explain_credit(credit)),
        "deleted_at": None,
        **tax_columns(credit.tax_terms),
        **credit.totals(),
    }


def explain_credit(credit: CreditLine) -> dict[str, Any]:
    """The account of a credit: what the line had charged net, which share of that was unused, by how much a charge for
    the same time differs, and how much a credit note gives back instead."""
    unused = credit.unused
    by_time = round_share(unused.line.net_left, *unused.share, unused.subscription.currency)
    parts = [
        {
            "kind": "unused",
            "name": unused.name,
            "quantity": "-1",
            "unitAmount": to_wire(unused.line.net_left),
            "fraction": list(unused.share),
            "amount": to_wire(-by_time),
            "total": to_wire(-by_time),
            "from": unused.start.isoformat(),
            "to": unused.end.isoformat(),
        }
    ]
    further = [
        ("as_charged", "Difference to a charge for the same time", by_time - unused.amount),
        ("credit_note", "Given back by credit note", unused.amount - credit.amount),
    ]
    parts += [
        {
            "kind": kind,
            "name": name,
            "quantity": "1",
            "unitAmount": to_wire(amount),
            "amount": to_wire(amount),
            "total": to_wire(amount),
        }
        for kind, name, amount in further
        if amount
    ]
    return {
        "version": VERSION,
        "kind": "credit",
        "currency": unused.subscription.currency,
        "credits": to_text(unused.line.id),
        "parts": parts,
        "totals": {"net": to_wire(-credit.amount)},
    }


def credit_detail_row(credit: CreditLine) -> Row:
    """The one detailed line of a credit line."""
    return {
        "id": new_id(),
        "line_id": credit.id,
        "position": 0,
        "category": REGULAR,
        "name": credit.unused.name,
        "period_start": credit.unused.start,
        "period_end": credit.unused.end,
        "quantity": ONE,
        "unit_amount": -credit.amount,
        "amount": -credit.amount,
        "discounts_total": ZERO,
        "total": -credit.amount,
    }


def credit_note_row(note: CreditNoteDocument, block: NumberBlock, now: datetime) -> Row:
    """A credit note, numbered; where its money goes is filled in once its invoice is locked."""
    sequence, number = block.take()
    note.number = number
    totals = [part.totals() for part in note.parts]
    return {
        "id": note.id,
        "created_at": now,
        "updated_at": now,
        "customer_id": note.customer_id,
        "invoice_id": note.invoice_id,
        "currency": note.currency,
        "series_id": block.series_id,
        "sequence": sequence,
        "number": number,
        "issued_at": block.issued_at,
        "reason_code": CreditReason.UNUSED.value,
        "reason": "",
        "amount": sum((total["amount"] for total in totals), ZERO),
        "taxes_total": sum((total["taxes_total"] for total in totals), ZERO),
        "total": sum((total["total"] for total in totals), ZERO),
        "reduced_due": ZERO,
        "moved_to_balance": ZERO,
    }


def credit_note_line_rows(note: CreditNoteDocument) -> list[Row]:
    """The lines of a credit note, positive."""
    rows = []
    for position, part in enumerate(note.parts, start=1):
        totals = part.totals()
        rows.append(
            {
                "id": new_id(),
                "credit_note_id": note.id,
                "invoice_line_id": part.line_id,
                "position": position,
                "name": part.name,
                "period_start": part.start,
                "period_end": part.end,
                "tax_rate": part.tax_terms.rate if part.tax_terms is not None else None,
                "amount": totals["amount"],
                "taxes_total": totals["taxes_total"],
                "total": totals["total"],
            }
        )
    return rows
