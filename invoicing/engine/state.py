"""Owns what a customer's books hold before a close: waiting lines and settled windows. Pure."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from subscriptions.schedule import Component


@dataclass(frozen=True, slots=True)
class PendingLine:
    """A line that waits on the gathering invoice."""

    id: uuid.UUID
    invoice_id: uuid.UUID
    currency: str
    item_id: uuid.UUID | None
    revision_id: uuid.UUID | None
    amends_id: uuid.UUID | None
    start: datetime
    end: datetime
    invoice_at: datetime
    components: tuple[Component, ...]


@dataclass(slots=True)
class Billed:
    """A settled window of an item: by which line, on what invoice, and what a flat line charged for so far.

    `components` include those of amendments on standard invoices; `on_draft` says that the line can still change.
    """

    is_charge: bool
    line_id: uuid.UUID | None
    invoice_id: uuid.UUID | None
    on_draft: bool
    end: datetime | None
    components: list[Component] = field(default_factory=list)
