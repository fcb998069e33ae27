"""Owns what of a coupon falls on a part of a period: what earlier parts have used up of it is gone. Pure."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from core.money import ZERO, round_share
from core.periods import Period, fraction
from invoicing.rating import Coupon
from invoicing.rating.prorated_fee import rate_fee
from subscriptions.schedule import (
    Component,
    CouponFacts,
    ItemFacts,
    RevisionFacts,
    SubscriptionFacts,
    service_period_at,
)
from subscriptions.schedule.obligations import Group, coupon_at, coupons_over, is_untouched


def coupon_on(
    sub: SubscriptionFacts, item: ItemFacts, revision: RevisionFacts, start: datetime, end: datetime
) -> Coupon | None:
    """The coupon that reduces the item's window `[start, end)`.

    One that ends within a period, where a change of plan brought other boundaries, takes its share of it by time.
    """
    facts = coupon_at(item, start)
    return None if facts is None else _on(facts, sub, revision, start, end)


def coupon_on_group(
    sub: SubscriptionFacts, item: ItemFacts, revision: RevisionFacts, group: Group, start: datetime, used: Decimal
) -> Coupon | None:
    """The coupon that reduces the part from `start` on of a window that is billed in parts: the one that would reduce
    the whole. Of a fixed amount what earlier parts, which have `used` so much of it, have left (billing rules 7)."""
    facts = next(coupons_over(item, group.start), None)
    if facts is None or is_untouched(facts, start):
        return None
    coupon = _on(facts, sub, revision, group.start, group.end)
    return coupon if coupon.remaining is None else coupon._replace(remaining=max(coupon.remaining - used, ZERO))


def _on(facts: CouponFacts, sub: SubscriptionFacts, revision: RevisionFacts, start: datetime, end: datetime) -> Coupon:
    if facts.amount is None:
        coupon = Coupon(facts.code, facts.percentage)
        if facts.end is None or not _ends_within(facts.end, sub, revision, start, end):
            return coupon
        return coupon._replace(share=fraction(Period(start, facts.end), Period(start, end)), until=facts.end)
    return Coupon(facts.code, None, fixed_part(facts, facts.amount, sub, revision, start, end))


def _ends_within(
    moment: datetime, sub: SubscriptionFacts, revision: RevisionFacts, start: datetime, end: datetime
) -> bool:
    """Whether the window `[start, end)`, and the period as it was before it was moved out, go on after the `moment`."""
    if revision.cadence is None or not sub.prorate:
        return False
    return moment < min(end, service_period_at(sub, revision.cadence, start).nominal_end)


def fixed_part(
    coupon: CouponFacts,
    amount: Decimal,
    sub: SubscriptionFacts,
    revision: RevisionFacts,
    start: datetime,
    end: datetime,
) -> Decimal:
    """What of a coupon's fixed `amount`, which counts once a period, falls on the window `[start, end)`.

    The windows into which a change of plan or of price, or a pause, divides a period share the amount by time. A
    window that is all of the period in which the coupon counts takes the whole. Time by which a period was moved out
    shares nothing where the coupon counts before it: the amount is for the period as it was. Where a change of plan
    brought other boundaries, the coupon ends within a period, which takes its share by time, too.
    """
    if revision.cadence is None or not sub.prorate:
        return amount
    period = service_period_at(sub, revision.cadence, start)
    ends = period.nominal_end if sub.end is None or coupon.carried_on else min(period.nominal_end, sub.end)
    begins = max(period.start, coupon.start)
    lasts = ends if coupon.end is None else min(ends, coupon.end)
    if begins >= ends or (start <= begins and end >= ends and lasts == ends):
        return amount
    # The rest of a window may begin behind the time that the coupon counts.
    until = min(end, lasts)
    if start >= until:
        return ZERO
    return round_share(amount, *fraction(Period(start, until), Period(begins, ends)), sub.currency)


def left_of(
    coupon: Coupon | None, sub: SubscriptionFacts, revision: RevisionFacts, before: Sequence[Component]
) -> Coupon | None:
    """`coupon` for an amendment: of a fixed amount only what the charges `before` it, in the same window, left."""
    if coupon is None or coupon.remaining is None or not before:
        return coupon
    return coupon._replace(remaining=coupon.remaining - rate_fee(sub, revision, before, coupon).coupon_used)
