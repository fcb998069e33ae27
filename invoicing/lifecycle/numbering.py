"""Hands out numbers: a block per supplier under its locked counter row, gapless (billing rules 6).

Call it after rating and just before the write: whoever holds the counter makes the series' other issuers wait.
"""

import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from core.bulk import update_rows
from customers.models import Supplier
from invoicing.choices import SeriesKind
from invoicing.models import NumberSeries
from invoicing.models.series import format_number

_uncounted: ContextVar[bool] = ContextVar("uncounted", default=False)

# Beyond every number that a series will reach, and below what its column holds.
_SPARE, _SPARES = 1 << 61, 1 << 61


@contextmanager
def uncounted(*, when: bool = True) -> Iterator[None]:
    """Inside the block, numbers are drawn from beyond every series, and no counter is locked or moved: for what is
    rolled back anyhow, so that a preview keeps nobody from issuing."""
    token = _uncounted.set(when or _uncounted.get())
    try:
        yield
    finally:
        _uncounted.reset(token)


@dataclass(slots=True)
class NumberBlock:
    """Consecutive numbers of one series, all issued at `issued_at`."""

    series_id: uuid.UUID
    prefix: str
    next_number: int
    issued_at: datetime

    def take(self) -> tuple[int, str]:
        """The next number: its place in the series, and as printed."""
        sequence = self.next_number
        self.next_number += 1
        return sequence, format_number(self.prefix, sequence)


def take_blocks(
    counts: Mapping[uuid.UUID, int], *, kind: SeriesKind, issue_at: datetime
) -> dict[uuid.UUID, NumberBlock]:
    """Reserve that many numbers for each supplier id, in this transaction: a roll-back gives them back.

    Issue dates never decrease within a series: a block is issued at `issue_at`, or later where the series already is.
    """
    if not counts:
        return {}
    rows = _rows(counts, kind)
    if len(rows) < len(counts):
        suppliers = Supplier.objects.in_bulk(list(counts))
        known = {row.supplier_id for row in rows}
        # In one order too, because an insert waits for another transaction's insert of the same series.
        missing = sorted((suppliers[pk] for pk in counts if pk not in known), key=lambda one: _prefix(one, kind))
        NumberSeries.objects.bulk_create(
            [NumberSeries(supplier=supplier, kind=kind, prefix=_prefix(supplier, kind)) for supplier in missing],
            ignore_conflicts=True,
        )
        rows = _rows(counts, kind)
    if _uncounted.get():
        return {row.supplier_id: _block(row, _SPARE + secrets.randbelow(_SPARES), issue_at) for row in rows}
    blocks: dict[uuid.UUID, NumberBlock] = {}
    updates = []
    for row in rows:
        block = blocks[row.supplier_id] = _block(row, row.next_number, issue_at)
        updates.append((row.id, row.next_number + counts[row.supplier_id], block.issued_at))
    update_rows(NumberSeries, ("next_number", "last_issued_at"), updates)
    return blocks


def _block(row: NumberSeries, first: int, issue_at: datetime) -> NumberBlock:
    issued_at = max(issue_at, row.last_issued_at) if row.last_issued_at else issue_at
    return NumberBlock(row.id, row.prefix, first, issued_at)


def _rows(counts: Mapping[uuid.UUID, int], kind: SeriesKind) -> list[NumberSeries]:
    """The counters, locked unless nothing is counted."""
    # Sorted, so that two issuers of several series never wait for each other in a circle.
    rows = NumberSeries.objects.filter(supplier_id__in=list(counts), kind=kind).order_by("prefix")
    return list(rows if _uncounted.get() else rows.select_for_update())


def _prefix(supplier: Supplier, kind: SeriesKind) -> str:
    return supplier.invoice_prefix if kind == SeriesKind.INVOICE else supplier.credit_note_prefix
