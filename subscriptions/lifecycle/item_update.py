"""Owns the values that go into the update of a subscription item (billing rules 4). Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUpdate:
    """What a caller asks of an item. `product_id` is the item's key; `action` is kept for the record only.

    `align` bills the difference at once, `extend` (with it) moves the period's end out, `preview_only` writes nothing.
    `usage_period_start` addresses a past period of reported usage; `effective_at` backdates a change of quantity.
    `as_of` is the moment whose figures the caller has seen: an aligned update counts from it, not from a little later.
    """

    product_id: str
    quantity: Decimal
    action: str = "update"
    align: bool = False
    extend: bool = False
    preview_only: bool = False
    coupon_code: str | None = None
    usage_period_start: datetime | None = None
    send_notification: bool = True
    effective_at: datetime | None = None
    as_of: datetime | None = None
