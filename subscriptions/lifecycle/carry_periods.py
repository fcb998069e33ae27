"""Lets a successor's items go on where those of a subscription ended: their period's usage, and fees owed once."""

from datetime import datetime
from uuid import UUID

from subscriptions.lifecycle.facts import load_subscriptions
from subscriptions.lifecycle.one_time_fees import FeesBefore, fees_before
from subscriptions.lifecycle.usage_takeover import takeovers
from subscriptions.models import Subscription, SubscriptionItem
from subscriptions.schedule import ItemFacts, SubscriptionFacts


def carry_periods(*, old: Subscription, new: Subscription, at: datetime, usage: bool) -> None:
    """Note on the items of `new`, which starts at `at` where `old` ends, what they take over (billing rules 10); in the
    caller's transaction, which holds the customer's lock.

    With `usage`, the running period of items that count alike. Always, that a one-time fee was charged before: by an
    item of the same key in a subscription of this chain on any version of the plan, or on the add-on that stays.
    """
    same_plan = _same_plan(old, new)
    loaded = load_subscriptions(Subscription.objects.filter(pk__in={old.pk, new.pk, *same_plan}))
    facts = {each.facts.id: each.facts for each in loaded}
    if usage:
        for takeover in takeovers(facts[old.pk], facts[new.pk], at):
            new.items.filter(pk=takeover.item_id).update(earlier_use=takeover.as_json())
            old.items.filter(pk=takeover.from_item_id).update(continued_at=at)
    fees = _fees(facts, old, new, same_plan, at)
    new.items.filter(pk__in=fees.charged).update(fee_charged_before=True)
    old.items.filter(pk__in=fees.relied_on).update(continued_at=at)


def _same_plan(old: Subscription, new: Subscription) -> set[UUID]:
    """The subscriptions that changes of plan led from to `new` and that are on a version of its plan, itself left out.
    Terms of a customer's own are a plan of their own."""
    if new.plan is None:
        return set()
    plans = {
        pk: (previous, key)
        for pk, previous, key in Subscription.objects.filter(customer_id=old.customer_id).values_list(
            "pk", "previous_id", "plan__key"
        )
    }
    found, current = set(), new.previous_id
    while current is not None:
        previous, key = plans[current]
        if key == new.plan.key:
            found.add(current)
        current = previous
    return found


def _fees(
    facts: dict[UUID, SubscriptionFacts], old: Subscription, new: Subscription, same_plan: set[UUID], at: datetime
) -> FeesBefore:
    """Items of the plan are held against those of the plan, items of an add-on against those of the add-on."""
    addons = dict(
        SubscriptionItem.objects.filter(subscription__in=facts.keys(), purchase__isnull=False).values_list(
            "pk", "purchase__addon__key"
        )
    )
    charged: set[UUID] = set()
    relied_on: set[UUID] = set()
    groups: dict[str | None, list[ItemFacts]] = {}
    for item in facts[new.pk].items:
        groups.setdefault(addons.get(item.id), []).append(item)
    for addon, items in groups.items():
        before = same_plan if addon is None else {old.pk}
        earlier = [(facts[pk], item) for pk in before for item in facts[pk].items if addons.get(item.id) == addon]
        found = fees_before(items, earlier, old.pk, at)
        charged |= found.charged
        relied_on |= found.relied_on
    return FeesBefore(frozenset(charged), frozenset(relied_on))
