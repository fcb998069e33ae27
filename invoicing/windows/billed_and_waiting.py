"""Owns what a customer's books hold before a close: waiting lines and settled windows. Pure."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from invoicing.tax.compute import TaxTerms
from subscriptions.schedule import Component


@dataclass(frozen=True, slots=True)
class PendingLine:
    """A line that waits on the gathering invoice; with a `window_id` it adds to that settled window. One that was split
    is the row of a group: its parts are billed, and not it."""

    id: uuid.UUID
    invoice_id: uuid.UUID
    currency: str
    item_id: uuid.UUID | None
    revision_id: uuid.UUID | None
    window_id: uuid.UUID | None
    start: datetime
    end: datetime
    invoice_at: datetime
    components: tuple[Component, ...]
    is_group: bool = False


@dataclass(slots=True)
class BilledLine:
    """A line that charged for the window `window_id`, or for a part of it (an amendment), on a standard invoice.

    `net` is what it charged, `net_left` that less what has been credited on it (nothing where it was waived); `tax` is
    how it was taxed. `on_draft`: its invoice is not issued yet.
    """

    id: uuid.UUID
    invoice_id: uuid.UUID
    components: tuple[Component, ...]
    net: Decimal
    net_left: Decimal
    tax: TaxTerms | None
    on_draft: bool = False
    window_id: uuid.UUID | None = None


@dataclass(slots=True)
class Billed:
    """A settled window `[start, end)` of an item (`end` None: for good): by which lines, the window's own first.

    `on_draft` says that the window's lines can still change; `revision_id` which terms it was billed by.
    """

    id: uuid.UUID
    start: datetime
    end: datetime | None
    is_charge: bool
    on_draft: bool = False
    revision_id: uuid.UUID | None = None
    lines: list[BilledLine] = field(default_factory=list)

    @property
    def components(self) -> list[Component]:
        """What flat lines have charged for in this window so far; of one that ended early, only what is left."""
        parts = [part for line in self.lines for part in line.components]
        if self.end is None:
            return parts
        return [part._replace(end=min(part.end, self.end)) for part in parts if part.start < self.end]
