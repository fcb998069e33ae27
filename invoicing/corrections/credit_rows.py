"""Turns what comes back into rows: credit lines on invoices, credit notes and their lines."""

import uuid
from datetime import datetime
from typing import Any

from core.ids import new_id
from core.money import ONE, ZERO
from customers.choices import TaxBehavior
from invoicing.choices import LineKind, LineManagedBy, LineStatus
from invoicing.corrections.documents import CreditLine, CreditNoteDocument
from invoicing.corrections.explain_credits import GIVEN_BY_NOTE, explain_unused, lessened
from invoicing.lifecycle.numbering import NumberBlock
from invoicing.rating.explanation import CreditExplanation
from invoicing.rating.explanation_json import to_json
from invoicing.rating.values import REGULAR
from invoicing.tax import TaxTerms

Row = dict[str, Any]


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
        "window_id": unused.line.window_id,
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
        "explain": to_json(explain_credit(credit)),
        "deleted_at": None,
        **tax_columns(credit.tax_terms),
        **credit.totals(),
    }


def explain_credit(credit: CreditLine) -> CreditExplanation:
    """The explanation of a credit line: that of what came back, less what a credit note gives back instead."""
    unused = credit.unused
    return lessened(explain_unused(unused), GIVEN_BY_NOTE, unused.amount - credit.amount)


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
        "reason_code": note.reason_code.value,
        "reason": note.reason,
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
                "explain": None if part.explanation is None else to_json(part.explanation),
            }
        )
    return rows


def tax_columns(terms: TaxTerms | None) -> Row:
    """How a line is taxed, as columns."""
    if terms is None:
        return {"tax_rate": None, "tax_name": "", "tax_behavior": ""}
    behavior = TaxBehavior.INCLUSIVE if terms.inclusive else TaxBehavior.EXCLUSIVE
    return {"tax_rate": terms.rate, "tax_name": terms.name, "tax_behavior": behavior.value}
