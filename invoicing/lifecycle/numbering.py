"""Hands out numbers: a block per supplier under its locked counter row, gapless (billing rules 6).

Call it after rating and just before the write: whoever holds the counter makes the series' other issuers wait.
"""

import secrets
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    counts: Mapping[uuid.UUID, int], *, kind: SeriesKind, issue_at: datetime, also: Collection[uuid.UUID] = ()
) -> dict[uuid.UUID, NumberBlock]:
    """Reserve that many numbers for each supplier id, in this transaction: a roll-back gives them back.

    Issue dates never decrease within a series: a block is issued at `issue_at`, or later where the series already is.
    The first call of a transaction locks the series of both kinds, of these suppliers and of those `also` that its
    later calls may need, so that two issuers never wait for each other in a circle.
    """
    if not counts:
        return {}
    if _uncounted.get():
        rows = _series(counts, [kind])
        return {row.supplier_id: _block(row, _SPARE + secrets.randbelow(_SPARES), issue_at) for row in rows}
    blocks: dict[uuid.UUID, NumberBlock] = {}
    updates = []
    for row in _series({*counts, *also}, list(SeriesKind)):
        if row.kind == kind and row.supplier_id in counts:
            block = blocks[row.supplier_id] = _block(row, row.next_number, issue_at)
            updates.append((row.id, row.next_number + counts[row.supplier_id], block.issued_at))
    update_rows(NumberSeries, ("next_number", "last_issued_at"), updates)
    return blocks


def _series(supplier_ids: Collection[uuid.UUID], kinds: Sequence[SeriesKind]) -> list[NumberSeries]:
    """The counters of these suppliers, made where there is none yet; locked, unless nothing is counted."""
    rows = _rows(supplier_ids, kinds)
    if len(rows) < len(supplier_ids) * len(kinds):
        suppliers = Supplier.objects.in_bulk(list(supplier_ids))
        known = {(row.supplier_id, row.kind) for row in rows}
        missing = [(pk, kind) for pk in supplier_ids for kind in kinds if (pk, kind) not in known]
        # In one order too, because an insert waits for another transaction's insert of the same series.
        missing.sort(key=lambda one: _prefix(suppliers[one[0]], one[1]))
        NumberSeries.objects.bulk_create(
            [NumberSeries(supplier_id=pk, kind=kind, prefix=_prefix(suppliers[pk], kind)) for pk, kind in missing],
            ignore_conflicts=True,
        )
        rows = _rows(supplier_ids, kinds)
    return rows


def _block(row: NumberSeries, first: int, issue_at: datetime) -> NumberBlock:
    issued_at = max(issue_at, row.last_issued_at) if row.last_issued_at else issue_at
    return NumberBlock(row.id, row.prefix, first, issued_at)


def _rows(supplier_ids: Collection[uuid.UUID], kinds: Sequence[SeriesKind]) -> list[NumberSeries]:
    # Sorted, so that two issuers of several series never wait for each other in a circle.
    rows = NumberSeries.objects.filter(supplier_id__in=list(supplier_ids), kind__in=kinds).order_by("prefix")
    return list(rows if _uncounted.get() else rows.select_for_update())


def _prefix(supplier: Supplier, kind: SeriesKind) -> str:
    return supplier.invoice_prefix if kind == SeriesKind.INVOICE else supplier.credit_note_prefix
