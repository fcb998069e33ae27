"""Owns what waits for a customer's rhythm of collection while something else of theirs is billed at once."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from invoicing.closing.documents import CustomerClose
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.plan import PlannedLine
from invoicing.corrections.unused_time import UnusedTime


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Lines and unused times that had fallen due and were not collected yet. They wait on, whatever is billed now, also
    where a change makes them different."""

    lines: frozenset[tuple[uuid.UUID, datetime, uuid.UUID | None]]
    windows: frozenset[uuid.UUID]

    @classmethod
    def after(cls, close: CustomerClose, now: datetime) -> "HeldBack":
        """What `close`, as of `now`, has left to wait for its collection."""
        taken = {unused_time.billed.id for unused_time in close.unused_times}
        return cls(
            frozenset(_identity(line) for line in close.gathering if line.invoice_at <= now < line.collect_at),
            frozenset(unused_time.billed.id for unused_time in close.plan.unused_times) - taken,
        )

    def holds(self, line: PlannedLine | ManualLine) -> bool:
        return isinstance(line, PlannedLine) and _identity(line) in self.lines

    def holds_credit(self, unused_time: UnusedTime) -> bool:
        return unused_time.billed.id in self.windows


def _identity(line: PlannedLine) -> tuple[uuid.UUID, datetime, uuid.UUID | None]:
    return (*line.obligation.key, None if line.amends is None else line.amends.id)
