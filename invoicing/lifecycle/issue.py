"""Issues drafts: numbers, freezes and fingerprints them, for a whole batch (billing rules 6)."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.bulk import copy_rows, update_rows
from customers.choices import CollectionMethod
from invoicing.balance.apply_balances import Balances, applied_row
from invoicing.choices import InvoiceStatus, LineStatus, SeriesKind
from invoicing.lifecycle.bounds import MEND_DRAFT, refuse_beyond
from invoicing.lifecycle.due_date import due_at
from invoicing.lifecycle.fingerprint import fingerprint
from invoicing.lifecycle.issue_dates import IssueDates, refuse_other_rates
from invoicing.lifecycle.numbering import take_blocks
from invoicing.lifecycle.states import check_moves
from invoicing.models import BalanceEntry, Invoice, InvoiceDetailedLine, InvoiceLine

_ISSUED_COLUMNS = (
    "status",
    "status_note",
    "series_id",
    "sequence",
    "number",
    "issued_at",
    "due_at",
    "applied_from_balance",
    "due",
    "next_collection_at",
    "content_hash",
    "updated_at",
)


def issue_drafts(invoice_ids: Collection[uuid.UUID], *, now: datetime, taxed_at: IssueDates) -> list[dict[str, Any]]:
    """Issue these drafts, dated `now`, in the caller's transaction, which holds their customers' locks; returns their
    columns. Their tax is that of `now` already, or of the later date that `taxed_at` has for their supplier.

    A draft without lines is deleted, not issued. CannotBill for one beyond the safety bound, ForbiddenMove for one that
    is at another step, IssueDateMoved where another rate holds at their date. Six queries, whatever the number.
    """
    rows = Invoice.objects.filter(pk__in=invoice_ids, issued_at__isnull=True).order_by("id").values()
    drafts: list[dict[str, Any]] = [dict(row) for row in rows]
    lines, details = stored_lines([draft["id"] for draft in drafts])
    # A line that was split is no charge of its own.
    charging = {line["invoice_id"] for each in lines.values() for line in each if line["status"] == LineStatus.VALID}
    empty = [draft["id"] for draft in drafts if draft["id"] not in charging]
    if empty:
        check_moves((draft["status"], InvoiceStatus.DELETED) for draft in drafts if draft["id"] not in charging)
        Invoice.objects.filter(pk__in=empty).update(status=InvoiceStatus.DELETED, deleted_at=now, updated_at=now)
        drafts = [draft for draft in drafts if draft["id"] in charging]
    for draft in drafts:
        refuse_beyond("The draft", [draft["amount"], draft["total"]], draft["currency"], otherwise=MEND_DRAFT)
    blocks = take_blocks(Counter(draft["supplier_id"] for draft in drafts), kind=SeriesKind.INVOICE, issue_at=now)
    refuse_other_rates(blocks, now=now, dates=taxed_at)
    balances = Balances.of({draft["customer_id"] for draft in drafts})
    entries: list[dict[str, Any]] = []
    moves: set[tuple[str, str]] = set()
    for draft in drafts:
        block = blocks[draft["supplier_id"]]
        draft["sequence"], draft["number"] = block.take()
        draft["series_id"], draft["issued_at"] = block.series_id, block.issued_at
        draft["updated_at"], draft["status_note"] = now, ""
        applied = balances.take(draft["customer_id"], draft["currency"], draft["due"])
        if applied:
            draft["applied_from_balance"], draft["due"] = applied, draft["due"] - applied
            entries.append(applied_row(draft, applied, now))
        moves.add(freeze(draft, due_after=draft["workflow_snapshot"]["values"]["due_after"]))
        draft["content_hash"] = fingerprint(draft, lines[draft["id"]], details[draft["id"]])
    check_moves(moves)
    copy_rows(BalanceEntry, entries)
    update_rows(
        Invoice, _ISSUED_COLUMNS, [[draft["id"], *(draft[column] for column in _ISSUED_COLUMNS)] for draft in drafts]
    )
    return drafts


def freeze(row: dict[str, Any], *, due_after: str) -> tuple[str, str]:
    """Turn the columns of a numbered draft into those of an issued invoice; a total of zero is paid at once. Returns
    the move, for the caller to check those of the whole batch."""
    before = row["status"]
    row["due_at"] = due_at(row["issued_at"], due_after)
    automatic = row["collection_method"] == CollectionMethod.CHARGE_AUTOMATICALLY
    paid = row["due"] == 0
    row["status"] = InvoiceStatus.PAID.value if paid else InvoiceStatus.ISSUED.value
    row["next_collection_at"] = row["issued_at"] if automatic and not paid else None
    return before, row["status"]


Lines = Mapping[uuid.UUID, Sequence[dict[str, Any]]]


def stored_lines(invoice_ids: Collection[uuid.UUID]) -> tuple[Lines, Lines]:
    """The columns of the lines and of the detailed lines of these invoices, by invoice id, in order. Two queries."""
    lines: dict[uuid.UUID, list[dict[str, Any]]] = defaultdict(list)
    details: dict[uuid.UUID, list[dict[str, Any]]] = defaultdict(list)
    kept = InvoiceLine.objects.filter(invoice_id__in=invoice_ids, deleted_at__isnull=True)
    for line in kept.order_by("invoice_id", "position", "id").values():
        lines[line["invoice_id"]].append(dict(line))
    rows = InvoiceDetailedLine.objects.filter(line__invoice_id__in=invoice_ids, line__deleted_at__isnull=True)
    for detail in rows.order_by("line__position", "line_id", "position").values(
        *(field.attname for field in InvoiceDetailedLine._meta.concrete_fields), "line__invoice_id"
    ):
        details[detail["line__invoice_id"]].append(detail)
    return lines, details
