"""Owns the values that go into rating and come out of it.

They are named tuples rather than dataclasses: as immutable, and several times cheaper to make in a close.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from core.money import ZERO
from subscriptions.pricing import NO_DISCOUNTS, Discounts, Price

REGULAR = "regular"
COMMITMENT = "commitment"

PERCENTAGE_REASON = "ratecard_percentage"
COUPON_REASON = "coupon"
MAXIMUM_REASON = "maximum_spend"


class FlatComponent(NamedTuple):
    """A quantity of a flat fee and the share of the full period that it is charged for.

    A window's first component is the quantity at its start; each later one is a change of quantity (`quantity` is the
    difference) with the time left at the change. Over [start, end), in UTC; the share may exceed one.
    """

    quantity: Decimal
    numerator: int
    denominator: int
    start: datetime | None = None
    end: datetime | None = None


class Coupon(NamedTuple):
    """A coupon as it stands for one line: `percentage` off (50 means 50 %), or what is left of a fixed amount.

    A percentage that ends within the line's time is taken off that `share` of it (numerator, denominator), which of a
    fee follows from what it charges `until` then (UTC).
    """

    code: str
    percentage: Decimal | None = None
    remaining: Decimal | None = None
    share: tuple[int, int] | None = None
    until: datetime | None = None


class RatingInput(NamedTuple):
    """All that a line's amount depends on: one window of one item.

    `quantity` is the window's own, `pre_quantity` what earlier splits of the same period have billed; both before
    free units. `fraction` (numerator, denominator) prorates flat fees and the minimum. `previously_billed_net` is
    what earlier splits came to, for minimum and maximum. `components` replace quantity and fraction of a flat fee.
    """

    price: Price
    quantity: Decimal
    currency: str
    discounts: Discounts = NO_DISCOUNTS
    pre_quantity: Decimal = ZERO
    is_first_split: bool = True
    coupon: Coupon | None = None
    fraction: tuple[int, int] = (1, 1)
    is_last_split: bool = True
    previously_billed_net: Decimal = ZERO
    event_count: int = 0
    components: tuple[FlatComponent, ...] = ()


class LineDiscount(NamedTuple):
    """An amount taken off a detailed line, and why; `percentage` and `code` where the reason has them."""

    reason: str
    amount: Decimal
    percentage: Decimal | None = None
    code: str | None = None


class DetailedLine(NamedTuple):
    """One part of a line: `amount` is quantity x unit amount x fraction, rounded once; `total` is after discounts."""

    kind: str
    category: str
    name: str
    quantity: Decimal
    unit_amount: Decimal
    amount: Decimal
    discount_total: Decimal
    total: Decimal
    discounts: tuple[LineDiscount, ...] = ()
    fraction: tuple[int, int] = (1, 1)
    tier: int | None = None
    start: datetime | None = None
    end: datetime | None = None


class RatedLine(NamedTuple):
    """A line with its money: `net = amount + charges_total - discounts_total`, before credits and tax.

    `amount` adds up the regular detailed lines before discounts, `charges_total` the commitments. `quantity` is what
    was priced, after `free_quantity` free units. `coupon_used` is what a coupon took off. `explanation` is
    the canonical JSON text that explains the line: store it as it is, or read it by `read_explanation`.
    """

    detailed: tuple[DetailedLine, ...]
    quantity: Decimal
    free_quantity: Decimal
    amount: Decimal
    charges_total: Decimal
    discounts_total: Decimal
    net: Decimal
    coupon_used: Decimal
    explanation: str

    @property
    def explain(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        values: dict[str, Any] = json.loads(self.explanation)
        return values
