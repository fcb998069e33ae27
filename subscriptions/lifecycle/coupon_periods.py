"""Counts the periods of coupons: only those in which the item can be charged something by its terms and pauses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from core.periods import Cadence
from subscriptions.lifecycle.facts import load_subscriptions, untouched_from_json
from subscriptions.models import CouponRedemption, Subscription, SubscriptionItem
from subscriptions.schedule import SubscriptionFacts
from subscriptions.schedule.coupon_reach import charged_spans, end_after
from subscriptions.schedule.facts import Span


def end_of_reduced(
    count: int,
    items: Sequence[SubscriptionItem],
    cadence: Cadence,
    start: datetime,
    untouched: Sequence[Span] = (),
) -> datetime:
    """The end of the `count`-th period of `cadence` from `start` (UTC) on in which the first of `items` has any time
    that costs something; the others are those before it whose coupon it carries on.

    A period in which there is nothing to take off (a free trial, all of it paused, billed in another rhythm, or all of
    it billed `untouched`) is not counted (billing rules 3). Where nothing to come costs anything, every period is, so
    that there is an end. Four queries.
    """
    calendar, charged = _charged(items, cadence)
    return end_after(count, calendar=calendar, cadence=cadence, charged=charged, untouched=untouched, start=start)


@contextmanager
def coupons_recounted(subscription: Subscription) -> Iterator[None]:
    """Let what happens inside, to the terms or pauses of `subscription`, move the ends of its coupons along; behind the
    customer's lock. An end that does not follow from what was there before stays: it was counted otherwise then."""
    running = CouponRedemption.objects.filter(
        item__subscription=subscription, effective_to__isnull=False, continued_by=None
    )
    before = [each for each in running.select_related("coupon", "item") if counted_end(each) == each.effective_to]
    yield
    for redemption in before:
        redemption.effective_to = counted_end(redemption)
        redemption.save(update_fields=["effective_to"])


def counted_end(redemption: CouponRedemption) -> datetime | None:
    """The end that follows for `redemption`, of a coupon for some periods, from what is stored and from its `untouched`
    time; None on a fee of once, which has no periods. It may have been counted otherwise."""
    cadence, periods = _cadence_at(redemption), redemption.coupon.periods
    if cadence is None or periods is None:
        return None
    untouched = untouched_from_json(redemption.untouched)
    return end_of_reduced(periods, _chain(redemption), cadence, redemption.effective_from, untouched)


def _chain(redemption: CouponRedemption) -> list[SubscriptionItem]:
    """The redemption's item, and those from which it was carried over to it."""
    items = [redemption.item]
    while redemption.continues_id is not None:
        redemption = CouponRedemption.objects.select_related("item").get(pk=redemption.continues_id)
        items.append(redemption.item)
    return items


def _charged(items: Sequence[SubscriptionItem], cadence: Cadence) -> tuple[SubscriptionFacts, list[Span]]:
    """The calendar of the first item, and when any of the items costs something in this rhythm. An end that is planned
    for the first one's subscription may be taken back."""
    loaded = load_subscriptions(Subscription.objects.filter(pk__in={item.subscription_id for item in items}))
    facts = {each.facts.id: each.facts for each in loaded}
    calendar = facts[items[0].subscription_id] = replace(facts[items[0].subscription_id], end=None)
    charged = []
    for item in items:
        sub = facts[item.subscription_id]
        for known in sub.items:
            if known.id == item.id:
                charged += charged_spans(sub, known, cadence)
    return calendar, charged


def _cadence_at(redemption: CouponRedemption) -> Cadence | None:
    """By what the item was billed when the coupon was redeemed; None for a fee of once, which has no periods."""
    first = _chain(redemption)[-1]
    [loaded] = load_subscriptions(Subscription.objects.filter(pk=first.subscription_id))
    revisions = next((item.revisions for item in loaded.facts.items if item.id == first.id), ())
    holding = (r for r in revisions if r.end is None or r.end > max(r.start, redemption.redeemed_at))
    return next((revision.cadence for revision in holding), None)
