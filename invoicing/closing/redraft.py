"""Re-rates lines of drafts in place: after a change of facts, or when their quantities are collected."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from core.bulk import copy_rows, update_rows
from core.jsontext import canonical_json
from invoicing.closing.documents import RatedDocumentLine
from invoicing.closing.rows import RATED_COLUMNS, TERMS_COLUMNS, detail_rows, line_row, rated_columns
from invoicing.corrections.retax_drafts import retax
from invoicing.models import InvoiceDetailedLine, InvoiceLine, LineEdit
from invoicing.rating.by_hand import SetByHand, set_by_hand

_COLUMNS = ("updated_at", *TERMS_COLUMNS, *RATED_COLUMNS)


def redraft(
    lines: Sequence[tuple[uuid.UUID, RatedDocumentLine]],
    *,
    also: Collection[uuid.UUID] = (),
    now: datetime,
    billed_by: Collection[uuid.UUID] = (),
) -> None:
    """Replace the money of draft lines, each given with its invoice's id, and add up their invoices again, and `also`
    those whose lines were changed otherwise. What was set by hand on a line stays set: it is rated with that.
    `billed_by` are the suppliers, beside those of the drafts, that the same transaction may issue invoices of later on.
    """
    if lines:
        edits = edits_of([line.id for _, line in lines])
        rows = []
        details = []
        for invoice_id, line in lines:
            edit = edits.get(line.id)
            if edit is not None:
                line.rated = set_by_hand(line.rated, edit)
            row = line_row(line.planned, line.id, invoice_id, now) | rated_columns(line)
            if edit is not None and edit.discounts is not None:
                row["discounts"] = canonical_json(edit.discounts)
            rows.append([line.id, *(row[column] for column in _COLUMNS)])
            details.extend(detail_rows(line))
        InvoiceDetailedLine.objects.filter(line_id__in=[line.id for _, line in lines]).delete()
        update_rows(InvoiceLine, _COLUMNS, rows)
        copy_rows(InvoiceDetailedLine, details)
    retax({invoice_id for invoice_id, _ in lines} | set(also), now=now, billed_by=billed_by)


def edits_of(line_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, SetByHand]:
    """What was set by hand on these lines, by line. One query."""
    edits = LineEdit.objects.filter(line_id__in=line_ids).values_list("line_id", "quantity", "discounts")
    return {line_id: SetByHand(quantity, discounts) for line_id, quantity, discounts in edits}
