"""Lets a successor's items go on where those of a subscription ended: their period's usage, and fees owed once."""

from collections.abc import Collection, Iterable
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
    same_plan = _same_plan(new)
    loaded = load_subscriptions(Subscription.objects.filter(pk__in={old.pk, new.pk, *same_plan}))
    facts = {each.facts.id: each.facts for each in loaded}
    if usage:
        for takeover in takeovers(facts[old.pk], facts[new.pk], at):
            new.items.filter(pk=takeover.item_id).update(earlier_use=takeover.as_json())
            old.items.filter(pk=takeover.from_item_id).update(continued_at=at)
    fees = _fees(facts, old, new, same_plan, at)
    new.items.filter(pk__in=fees.charged).update(fee_charged_before=True)
    old.items.filter(pk__in=fees.relied_on).update(continued_at=at)


def owe_no_fee_twice(subscription: Subscription, item_keys: Collection[str]) -> None:
    """Note on the plan's own items of these keys, which an edit has just made, that their one-time fee was charged
    before, where a subscription that led to this one charged it on any version of the plan; in the caller's
    transaction, which holds the customer's lock."""
    same_plan = _same_plan(subscription) if item_keys else set()
    if not same_plan:
        return
    loaded = load_subscriptions(Subscription.objects.filter(pk__in={subscription.pk, *same_plan}))
    facts = {each.facts.id: each.facts for each in loaded}
    addons = _addons_of(facts)
    earlier = [(facts[pk], item) for pk in same_plan for item in facts[pk].items if item.id not in addons]
    items = [item for item in facts[subscription.pk].items if item.key in item_keys and item.id not in addons]
    charged = fees_before(items, earlier, None, subscription.active_from).charged
    subscription.items.filter(pk__in=charged).update(fee_charged_before=True)


def _same_plan(new: Subscription) -> set[UUID]:
    """The subscriptions that changes of plan led from to `new` and that are on a version of its plan, itself left out.
    Terms of a customer's own are a plan of their own."""
    if new.plan is None or new.previous_id is None:
        return set()
    plans = {
        pk: (previous, key)
        for pk, previous, key in Subscription.objects.filter(customer_id=new.customer_id).values_list(
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
    addons = _addons_of(facts)
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


def _addons_of(subscription_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The key of the add-on that an item belongs to, by the item's id; those of plans are left out."""
    items = SubscriptionItem.objects.filter(subscription__in=list(subscription_ids), purchase__isnull=False)
    return dict(items.values_list("pk", "purchase__addon__key"))
