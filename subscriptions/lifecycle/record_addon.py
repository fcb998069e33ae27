"""Buys an add-on for a subscription: its rate cards become items of their own, from a time on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from core import clock
from core.audit.services.record import record
from core.errors import field_error
from subscriptions.catalog.addon_selectors import terms_of_addon
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import InstanceType, PlanStatus
from subscriptions.errors import AddOnNotBuyable
from subscriptions.lifecycle.check_features import kept_by_database
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.record_addon_quantity import check_addon_features, check_before_end, place_addon_quantity
from subscriptions.lifecycle.states import Verb
from subscriptions.models import AddOn, PlanAddOn, Subscription, SubscriptionAddOn, SubscriptionItem


@kept_by_database()
@transaction.atomic
def record_addon(
    *,
    subscription: Subscription,
    addon: AddOn,
    quantity: int,
    at: datetime,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> SubscriptionAddOn:
    """From `at` (UTC) on, `subscription` has `quantity` of `addon`. Running numbers go on. Touches no invoice.

    InvalidInput where the plan does not offer it so, then; `AddOnNotBuyable` (Conflict) where the subscription has it
    already, or prices the same key or feature: prices are not merged (decision: add-ons). Nothing is changed then.
    """
    subscription = lock_subscription(subscription, at=at, verb=Verb.CHANGE_ADDON)
    check_before_end(subscription, at)
    _check_offer(subscription, addon, quantity, at)
    cards = terms_of_addon(addon).rate_cards
    _check_apart(subscription, addon, cards, at)
    purchase = SubscriptionAddOn.objects.create(
        subscription=subscription,
        addon=addon,
        name=name or addon.name,
        description=description,
        metadata=dict(metadata or {}),
    )
    newest = subscription.items.aggregate(newest=Max("running_number"))["newest"] or 0
    SubscriptionItem.objects.bulk_create(
        SubscriptionItem(subscription=subscription, running_number=number, key=card.key, purchase=purchase)
        for number, card in enumerate(cards, newest + 1)
    )
    place_addon_quantity(purchase=purchase, quantity=Decimal(quantity), at=at)
    record(
        verb="subscription.addon_bought",
        target=subscription,
        did=f"added {quantity} of {addon} to {subscription} from {at:%Y-%m-%d %H:%M} UTC",
        customer_id=subscription.customer_id,
    )
    return purchase


def check_quantity(subscription: Subscription, addon: AddOn, quantity: int) -> None:
    """InvalidInput where the plan, or the add-on's kind, does not allow so many."""
    if addon.instance_type == InstanceType.SINGLE and quantity > 1:
        raise field_error("quantity", "single_addon", f"{addon} is single: its quantity is 1. Nothing was changed.")
    offer = PlanAddOn.objects.filter(plan=subscription.plan, addon=addon).first()
    if offer is not None and offer.max_quantity is not None and quantity > offer.max_quantity:
        raise field_error(
            "quantity",
            "too_many",
            f"{subscription.name} takes at most {offer.max_quantity} of {addon}. Nothing was changed.",
        )


def _check_offer(subscription: Subscription, addon: AddOn, quantity: int, at: datetime) -> None:
    if quantity < 1:
        raise field_error("quantity", "too_few", "Buy at least 1. Nothing was changed.")
    if addon.deleted_at is not None or version_status(addon, clock.now()) != PlanStatus.ACTIVE:
        raise field_error("addon.id", "addon_not_active", f"{addon} is not on sale. Nothing was changed.")
    offer = PlanAddOn.objects.filter(plan=subscription.plan, addon=addon).first()
    if offer is None:
        raise field_error(
            "addon.id",
            "addon_not_offered",
            f"{subscription.name} does not offer {addon}. Nothing was changed. Add it to the plan first.",
        )
    phases = list(subscription.phases.order_by("position"))
    first = next((phase for phase in phases if phase.key == offer.from_plan_phase), None)
    # A subscription that began in a later phase has passed the one from which on the add-on is sold.
    if first is not None and at < first.active_from:
        raise field_error(
            "timing",
            "before_phase",
            f"{addon} can be bought from the phase {first.key} on, which begins on "
            f"{first.active_from:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
        )
    check_quantity(subscription, addon, quantity)


def _check_apart(subscription: Subscription, addon: AddOn, cards: Sequence[RateCardTerms], at: datetime) -> None:
    if SubscriptionAddOn.objects.filter(subscription=subscription, addon__key=addon.key).exists():
        raise AddOnNotBuyable(
            str(addon), f"was bought for {subscription.name} before", "Change the quantity of that purchase."
        )
    keys = subscription.items.filter(key__in=[card.key for card in cards]).values_list("key", flat=True)
    if keys:
        raise AddOnNotBuyable(
            str(addon),
            f"has rate cards with keys of items that {subscription.name} has already ({', '.join(sorted(keys))})",
            "The price of an item and that of an add-on are not merged: give the rate card a key of its own.",
        )
    check_addon_features(subscription, addon, cards, at)
