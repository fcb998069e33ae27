"""Owns the facts that obligations follow from. All times are UTC; spans are half-open."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.periods import Cadence
from subscriptions.pricing import Discounts, Price


@dataclass(frozen=True, slots=True)
class AnchorShift:
    """A period moved out (billing rules 4): the one that would end at `boundary` ends at `anchor`, and boundaries
    count from there. Made at `at`, when what the longer period costs more falls due. Only for items of `cadence`."""

    boundary: datetime
    anchor: datetime
    at: datetime
    cadence: Cadence


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """An item's terms during `[start, end)`. `cadence` None is one-time; `price` None is free and never billed."""

    id: uuid.UUID
    start: datetime
    end: datetime | None
    cadence: Cadence | None
    price: Price | None
    discounts: Discounts
    name: str
    feature_id: uuid.UUID | None = None
    feature_key: str | None = None


@dataclass(frozen=True, slots=True)
class CouponFacts:
    """A redeemed coupon: a percentage or an amount off every charge whose service starts in `[start, end)`.

    `carried_on` says that the subscription's successor goes on with it, `continues` of which redemption it is the
    continuation. `untouched` is billed time in which it had nothing to take off: it reduces nothing there any more, and
    a period of nothing else is not counted (billing rules 3). One for some periods is held to the rhythm in which its
    item is billed at `held_at`; None of one that ends: at its start.
    """

    code: str
    percentage: Decimal | None
    amount: Decimal | None
    start: datetime
    end: datetime | None
    carried_on: bool = False
    id: uuid.UUID | None = None
    continues: uuid.UUID | None = None
    untouched: tuple["Span", ...] = ()
    held_at: datetime | None = None

    @property
    def rhythm_at(self) -> datetime | None:
        """When its item was billed in the rhythm that it is held to; None: in any."""
        return self.start if self.held_at is None and self.end is not None else self.held_at


class QuantityAt(NamedTuple):
    at: datetime
    quantity: Decimal


class Span(NamedTuple):
    """A stretch of time `[start, end)`; `end` None: without end."""

    start: datetime
    end: datetime | None


class EarlierUse(NamedTuple):
    """Time `[start, end)` of the same period that was billed before a window, under this item (billing rules 10)."""

    item_id: uuid.UUID
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item: its revisions in order of time, and for flat fees its quantities, in order of time (none: always 1).

    An item that takes over the period of an item of the same key, with its usage, knows it from `earlier`. One whose
    one-time fee was charged by an item of the same key and plan owes none (`fee_charged_before`). `splits` are the
    moments, in order, at which a running period of usage was cut: it is billed in windows up to each and from each on.
    `progressive_splits` cut such a window into parts of one group (billing rules 7).
    """

    id: uuid.UUID
    key: str
    running_number: int
    revisions: tuple[RevisionFacts, ...]
    quantities: tuple[QuantityAt, ...] = ()
    coupons: tuple[CouponFacts, ...] = ()
    # What an item of another subscription used of the period that this one took over, and when another takes over.
    earlier: tuple[EarlierUse, ...] = ()
    continued_at: datetime | None = None
    fee_charged_before: bool = False
    splits: tuple[datetime, ...] = ()
    progressive_splits: tuple[datetime, ...] = ()

    @property
    def cuts(self) -> tuple[datetime, ...]:
        """All moments, in order, at which a running period of usage is cut, of whatever kind."""
        if not self.progressive_splits:
            return self.splits
        return tuple(sorted({*self.splits, *self.progressive_splits}))


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """All that decides what a subscription owes when. `cadence` is its own, for the periods of one-time fees."""

    id: uuid.UUID
    customer_id: uuid.UUID
    currency: str
    zone: str
    anchor: datetime
    cadence: Cadence
    start: datetime
    end: datetime | None
    items: tuple[ItemFacts, ...]
    shifts: tuple[AnchorShift, ...] = ()
    prorate: bool = True
    pauses: tuple[Span, ...] = ()


class PriceSource(NamedTuple):
    """Where a price comes from: a version of a plan or an add-on, or (without either) the customer's own terms."""

    kind: str
    key: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class RevisionTerms:
    """A revision's JSON as canonical text, to be copied onto invoice lines unread."""

    price: str | None
    discounts: str | None
    tax_config: str | None
    description: str | None
    price_source: PriceSource


@dataclass(frozen=True, slots=True)
class LoadedSubscription:
    """A subscription's facts, from when they may differ from what was billed, and its revisions' terms by id."""

    facts: SubscriptionFacts
    reconcile_from: datetime
    next_billing_at: datetime | None
    terms: dict[uuid.UUID, RevisionTerms]
