"""Refuses another usage discount for a period that is billed in parts: free units of it are used up (billing rules
7)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from invoicing.errors import PartBilled
from subscriptions.lifecycle.facts import load_subscriptions
from subscriptions.models import Subscription
from subscriptions.schedule import ItemFacts, SubscriptionFacts, service_period_at
from subscriptions.schedule.obligations import active_spans, goes_on

_MOMENT = timedelta(microseconds=1)


@contextmanager
def keeping_discounts_of_parts(subscription: Subscription) -> Iterator[None]:
    """What happens inside may change no usage discount within a period of which a part is billed. PartBilled
    (Conflict) where it did: the caller's transaction is to be undone."""
    before = _changes(subscription)
    yield
    found = _changes(subscription) - before
    if found:
        raise PartBilled(item=min(found)[0], until=min(found)[1])


def _changes(subscription: Subscription) -> set[tuple[str, datetime]]:
    """The items whose usage discount changes behind a split of a period, with that period's end."""
    return {
        (f"Item {item.running_number} ({item.key})", end)
        for loaded in load_subscriptions(Subscription.objects.filter(pk=subscription.pk))
        for item in loaded.facts.items
        if item.progressive_splits
        for end in _changed_periods(loaded.facts, item)
    }


def _changed_periods(facts: SubscriptionFacts, item: ItemFacts) -> Iterator[datetime]:
    spans = active_spans(facts, item)
    for at in item.progressive_splits:
        for billed, span in spans:
            if billed.cadence is None or not (span.start < at and (span.end is None or at <= span.end)):
                continue
            period_end = service_period_at(facts, billed.cadence, at - _MOMENT).end
            for later, rest in spans:
                behind = rest.start < period_end and (rest.end is None or rest.end > at)
                if behind and goes_on(later, billed) and later.discounts.usage != billed.discounts.usage:
                    yield period_end
