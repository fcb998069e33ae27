"""Owns the quantity of a part of a window that is billed in parts (billing rules 7). No I/O.

A part is billed for what its group comes to up to its end, less what the parts before it were billed for: so tiers,
packages, maxima and unique counts are those of the whole, and what comes late for an earlier part is billed once, by
the next one. A part is never billed for less than nothing. One that is billed again although later ones stand leaves
what those were billed for to them.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from core.money import WIDE, ZERO
from invoicing.rating.basis import FromMeter
from invoicing.rating.explanation import ChargeExplanation
from invoicing.rating.explanation_json import read_explanation
from invoicing.rating.values import COUPON_REASON
from subscriptions.schedule.facts import EarlierUse
from subscriptions.schedule.obligations import Group, Obligation


class FrozenUse(NamedTuple):
    """What a settled window was billed for; `is_final`: its quantity will not be read again. Until it is, its draft
    waits, up to `collected_at`. `events` and what coupons took off are known of parts alone."""

    quantity: Decimal
    net: Decimal
    is_final: bool
    collected_at: datetime | None = None
    events: int = 0
    coupon_used: Decimal = ZERO


class Part(NamedTuple):
    """What a part is billed for, after what was `billed_before` it in its group; `shortfall` is how much less than
    that the group comes to, `events_short` how many events fewer."""

    quantity: Decimal
    events: int
    billed_before: Decimal
    shortfall: Decimal
    events_short: int


def before_group(window: Obligation, group: Group) -> tuple[EarlierUse, ...]:
    """What of the period came before the group that `window` is a part of."""
    return tuple(use for use in window.earlier if use.item_id != window.item.id or use.start < group.start)


def other_parts(window: Obligation) -> list[EarlierUse]:
    """The other parts of its group, the earlier and the later ones."""
    assert window.group is not None
    return [
        EarlierUse(window.item.id, part.start, part.end)
        for part in window.group.parts
        if part.start != window.start and part.end is not None
    ]


class PartReadings:
    """Which readings of a group, each from its start on, the quantity of one of its parts takes, and what follows from
    them. `needed` are the ends up to which to read, by the keys of their requests, from `first_key` downwards."""

    def __init__(
        self,
        window: Obligation,
        group: Group,
        frozen: Mapping[tuple[uuid.UUID, datetime], FrozenUse],
        *,
        first_key: int,
    ) -> None:
        self.before_group = before_group(window, group)
        keys = count(first_key, -1)
        self.needed: dict[int, datetime] = {}
        # In order: what is fixed, or the key of the reading that says what it comes to now.
        self._before: list[FrozenUse | int] = []
        self.coupons_before: dict[tuple[uuid.UUID, datetime], Decimal] = {}
        after: list[tuple[datetime, FrozenUse]] = []
        for use in other_parts(window):
            key = (use.item_id, use.start)
            known = frozen.get(key)
            is_final = known is not None and known.is_final
            if use.start < window.start:
                self.coupons_before[key] = ZERO if known is None else known.coupon_used
                if known is not None and is_final:
                    self._before.append(known)
                else:
                    self._before.append(reading := next(keys))
                    self.needed[reading] = use.end
            elif known is not None and is_final:
                after.append((use.end, known))
        self._after = [known for _, known in after]
        self._limit: int | None = None
        if after:
            self._limit = next(keys)
            self.needed[self._limit] = after[-1][0]

    def part(self, whole: Decimal, events: int, readings: Mapping[int, tuple[Decimal, int]]) -> Part:
        """The part, where its group comes to `whole` with it, of so many events, and `readings` are the others."""
        billed, counted = ZERO, 0
        for known in self._before:
            if isinstance(known, FrozenUse):
                billed, counted = WIDE.add(billed, known.quantity), counted + known.events
            else:
                # Not fixed yet: it will be billed for what it adds.
                billed, counted = max(billed, readings[known][0]), max(counted, readings[known][1])
        if self._limit is not None:
            left, left_events = readings[self._limit]
            for known in self._after:
                left, left_events = WIDE.subtract(left, known.quantity), left_events - known.events
            whole, events = min(whole, left), min(events, left_events)
        own, own_events = WIDE.subtract(whole, billed), events - counted
        return Part(max(own, ZERO), max(own_events, 0), billed, max(-own, ZERO), max(-own_events, 0))


def events_and_coupon(explain: Any) -> tuple[int, Decimal]:
    """How many events a stored line was billed for, and what a coupon took off it."""
    explanation = read_explanation(explain)
    if not isinstance(explanation, ChargeExplanation):
        return 0, ZERO
    basis = explanation.basis
    events = basis.quantity.events if basis is not None and isinstance(basis.quantity, FromMeter) else 0
    taken = (
        discount.amount for part in explanation.parts for discount in part.discounts if discount.reason == COUPON_REASON
    )
    return events, sum(taken, ZERO)
