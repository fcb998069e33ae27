"""Owns what flat fees come to: components at an item's terms, with the coupon that is on them. Pure."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from core.money import ZERO, round_share
from invoicing.rating import Coupon, FlatComponent, RatedLine, RatingInput, rate
from subscriptions.schedule import Component, CouponFacts, ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.obligations import coupon_at


def rate_fee(
    sub: SubscriptionFacts, revision: RevisionFacts, components: Sequence[Component], coupon: Coupon | None
) -> RatedLine:
    """The charge for `components` at the terms of `revision`, which has a flat price."""
    assert revision.price is not None
    return rate(
        RatingInput(
            price=revision.price,
            quantity=sum((component.quantity for component in components), ZERO),
            currency=sub.currency,
            discounts=revision.discounts,
            components=tuple(FlatComponent(*component) for component in components),
            coupon=coupon,
        )
    )


def coupon_on(
    sub: SubscriptionFacts, item: ItemFacts, start: datetime, end: datetime, share: tuple[int, int]
) -> Coupon | None:
    """The coupon that reduces the item's window `[start, end)`, which is `share` of its full period.

    A fixed amount counts once a period: a change of plan in its middle divides it by time between both plans.
    """
    facts = coupon_at(item, start)
    if facts is None or facts.amount is None:
        return None if facts is None else Coupon(facts.code, facts.percentage)
    begins = facts.carried_here and start == sub.start
    ends = facts.carried_on and end == sub.end
    return Coupon(facts.code, None, part_of(facts, share, sub.currency) if begins or ends else facts.amount)


def part_of(coupon: CouponFacts, share: tuple[int, int], currency: str) -> Decimal:
    """What a coupon's fixed amount comes to in `share` of a period."""
    return round_share(coupon.amount or ZERO, *share, currency)


def left_of(
    coupon: Coupon | None, sub: SubscriptionFacts, revision: RevisionFacts, before: Sequence[Component]
) -> Coupon | None:
    """`coupon` for an amendment: of a fixed amount only what the charges `before` it, in the same window, left."""
    if coupon is None or coupon.remaining is None or not before:
        return coupon
    return coupon._replace(remaining=coupon.remaining - rate_fee(sub, revision, before, coupon).coupon_used)
