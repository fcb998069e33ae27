"""Counts the periods of coupons: only those in which the item can be charged something by its terms and pauses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from core.periods import Cadence
from subscriptions.lifecycle.facts import load_subscriptions
from subscriptions.models import CouponRedemption, Subscription, SubscriptionItem
from subscriptions.schedule import RevisionFacts, SubscriptionFacts
from subscriptions.schedule.billing_calendar import period_at
from subscriptions.schedule.facts import Span
from subscriptions.schedule.obligations import active_spans


def end_of_reduced(count: int, items: Sequence[SubscriptionItem], cadence: Cadence, start: datetime) -> datetime:
    """The end of the `count`-th period of `cadence` from `start` (UTC) on in which the first of `items` has any time
    that costs something; the others are those before it whose coupon it carries on.

    A period in which there is nothing to take off (a free trial, or all of it paused) is not counted (billing rules 3).
    Where nothing to come costs anything, every period is, so that there is an end. Four queries.
    """
    calendar, charged = _charged(items)
    end = start
    while count:
        period = period_at(calendar, cadence, end)
        reduces = any(span.start < period.end and (span.end is None or span.end > end) for span in charged)
        to_come = any(span.end is None or span.end > period.end for span in charged)
        count -= reduces or not to_come
        end = period.end
    return end


@contextmanager
def coupons_recounted(subscription: Subscription) -> Iterator[None]:
    """Let what happens inside, to the terms or pauses of `subscription`, move the ends of its coupons along; behind the
    customer's lock. An end that does not follow from what was there before stays: it was counted otherwise then."""
    running = CouponRedemption.objects.filter(
        item__subscription=subscription, effective_to__isnull=False, continued_by=None
    )
    before = []
    for redemption in running.select_related("coupon", "item"):
        cadence = _cadence_at(redemption)
        if cadence is not None and _end_of(redemption, cadence) == redemption.effective_to:
            before.append((redemption, cadence))
    yield
    for redemption, cadence in before:
        redemption.effective_to = _end_of(redemption, cadence)
        redemption.save(update_fields=["effective_to"])


def _end_of(redemption: CouponRedemption, cadence: Cadence) -> datetime:
    assert redemption.coupon.periods is not None
    return end_of_reduced(redemption.coupon.periods, _chain(redemption), cadence, redemption.effective_from)


def _chain(redemption: CouponRedemption) -> list[SubscriptionItem]:
    """The redemption's item, and those from which it was carried over to it."""
    items = [redemption.item]
    while redemption.continues_id is not None:
        redemption = CouponRedemption.objects.select_related("item").get(pk=redemption.continues_id)
        items.append(redemption.item)
    return items


def _charged(items: Sequence[SubscriptionItem]) -> tuple[SubscriptionFacts, list[Span]]:
    """The calendar of the first item, and when any of the items costs something. An end that is planned for the first
    one's subscription may be taken back."""
    loaded = load_subscriptions(Subscription.objects.filter(pk__in={item.subscription_id for item in items}))
    facts = {each.facts.id: each.facts for each in loaded}
    calendar = facts[items[0].subscription_id] = replace(facts[items[0].subscription_id], end=None)
    charged = []
    for item in items:
        sub = facts[item.subscription_id]
        for known in sub.items:
            if known.id == item.id:
                charged += [span for revision, span in active_spans(sub, known) if _costs(revision)]
    return calendar, charged


def _cadence_at(redemption: CouponRedemption) -> Cadence | None:
    """By what the item was billed when the coupon began; None for a fee of once, which has no periods."""
    first = _chain(redemption)[-1]
    [loaded] = load_subscriptions(Subscription.objects.filter(pk=first.subscription_id))
    revisions = next((item.revisions for item in loaded.facts.items if item.id == first.id), ())
    holding = (r for r in revisions if r.end is None or r.end > redemption.effective_from)
    return next((revision.cadence for revision in holding), None)


def _costs(revision: RevisionFacts) -> bool:
    """Whether its terms can come to anything."""
    return revision.discounts.percentage != 100 and bool(getattr(revision.price, "amount", True))
