"""Changes how many of an add-on a subscription has, from a time on; none ends it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from core.audit.services.record import record
from core.errors import field_error
from core.money import trimmed
from subscriptions.catalog.addon_selectors import terms_of_addon
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.errors import AddOnNotBuyable
from subscriptions.lifecycle.check_features import NOT_CHANGED, kept_by_database, refuse_taken
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.place_subscription import revision_of
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.selectors import item_period, overlapping_features, revision_at
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import AddOn, AddOnQuantity, ItemRevision, Subscription, SubscriptionAddOn


@kept_by_database()
@transaction.atomic
def record_addon_quantity(*, purchase: SubscriptionAddOn, quantity: int, at: datetime) -> SubscriptionAddOn:
    """From `at` (UTC) on, the subscription has `quantity` of the add-on; what was planned for later is replaced.

    At 0 it ends, and what was billed in advance comes back. A smaller quantity than what is billed takes effect with
    a new period only: InvalidInput names the way. Where it comes back, or its end is taken back, Conflict if something
    else has its features then. Repeating a change changes nothing. Touches no invoice.
    """
    subscription = lock_subscription(purchase.subscription, at=at, verb=Verb.CHANGE_ADDON)
    check_before_end(subscription, at)
    purchase = SubscriptionAddOn.objects.select_related("addon").get(pk=purchase.pk)
    purchase.subscription = subscription
    before = purchase.quantity_at(at)
    if before == quantity and not purchase.quantities.filter(effective_at__gt=at).exists():
        return purchase
    first = purchase.quantities.order_by("effective_at").first()
    if first is not None and at < first.effective_at:
        raise field_error(
            "timing",
            "before_purchase",
            f"{purchase.name} was bought from {first.effective_at:%Y-%m-%d %H:%M} UTC on; nothing of it can change "
            "before. Nothing was changed.",
        )
    if 0 < quantity < before:
        _check_reduction(purchase, at)
    if quantity and not _open_revisions(purchase).filter(active_from__lte=at).exists():
        # It comes back, or its planned end is taken back.
        cards = terms_of_addon(purchase.addon).rate_cards
        check_addon_features(subscription, purchase.addon, cards, at, kept=purchase)
    _forget_plans(purchase, at)
    place_addon_quantity(purchase=purchase, quantity=Decimal(quantity), at=at)
    record(
        verb="subscription.addon_changed",
        target=subscription,
        did=(
            f"changed the quantity of {purchase.name} of {subscription} from {trimmed(before)} to {quantity}, "
            f"effective {at:%Y-%m-%d %H:%M} UTC"
        ),
        customer_id=subscription.customer_id,
    )
    return purchase


def place_addon_quantity(*, purchase: SubscriptionAddOn, quantity: Decimal, at: datetime) -> None:
    """Write the quantity, and what follows from it for the items. Behind the customer's lock; `at` is the latest."""
    before = purchase.quantity_at(at)
    AddOnQuantity.objects.update_or_create(purchase=purchase, effective_at=at, defaults={"quantity": quantity})
    if quantity and not before:
        _begin(purchase, at)
    elif before and not quantity:
        _open_revisions(purchase).update(active_to=at)
    if quantity and (quantity != 1 or before != quantity):
        for item in purchase.items.select_related("subscription__customer").order_by("running_number"):
            revision = revision_at(item, at)
            if revision is not None and revision.price is not None and revision.price["type"] == "flat":
                record_quantity(item=item, quantity=quantity, effective_at=at)
    facts_changed(subscription=purchase.subscription, changed_from=periods_touched(purchase.subscription, at))


def check_before_end(subscription: Subscription, at: datetime) -> None:
    """InvalidInput where the subscription has ended by `at`."""
    if subscription.active_to is not None and subscription.active_to <= at:
        raise field_error(
            "timing",
            "after_end",
            f"The subscription ends on {subscription.active_to:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
        )


def check_addon_features(
    subscription: Subscription,
    addon: AddOn,
    cards: Sequence[RateCardTerms],
    at: datetime,
    *,
    kept: SubscriptionAddOn | None = None,
) -> None:
    """Refuse what anything but the purchase `kept` prices or grants the customer between `at` and the subscription's
    end: `AddOnNotBuyable` for an item of its own, FeatureAlreadySubscribed for another subscription (both Conflict)."""
    spans = [(card.feature_key, at, subscription.active_to) for card in cards if card.feature_key is not None]
    taken = overlapping_features(customer_id=subscription.customer_id, spans=spans, apart_from=kept)
    own = sorted({key for key, owner in taken if owner == subscription.pk})
    if own:
        raise AddOnNotBuyable(
            str(addon),
            f"prices or grants features that {subscription.customer.name} has already ({', '.join(own)})",
            "Two prices or entitlements of one feature are not merged: give the add-on a feature of its own.",
        )
    refuse_taken(subscription.customer, taken, remedy=NOT_CHANGED)


def _begin(purchase: SubscriptionAddOn, at: datetime) -> None:
    """New revisions of its items from `at` on, by the terms of the version that was bought."""
    phases = purchase.subscription.phases.order_by("position")
    phase = next((row for row in reversed(phases) if row.active_from <= at), phases[0])
    items = {item.key: item for item in purchase.items.all()}
    cards = terms_of_addon(purchase.addon).rate_cards
    ItemRevision.objects.bulk_create(
        revision_of(card, item=items[card.key], phase=phase, start=at, end=None) for card in cards
    )


def _open_revisions(purchase: SubscriptionAddOn) -> QuerySet[ItemRevision]:
    return ItemRevision.objects.filter(item__purchase=purchase, active_to__isnull=True)


def _forget_plans(purchase: SubscriptionAddOn, at: datetime) -> None:
    """Take back what was planned for after `at`: an end that has not come, a return that has not begun."""
    purchase.quantities.filter(effective_at__gt=at).delete()
    revisions = ItemRevision.objects.filter(item__purchase=purchase)
    for revision in revisions.filter(active_from__gt=at):
        # Its gathering line may still refer to it: it stays, without time.
        revision.active_to = revision.active_from
        revision.save(update_fields=["active_to", "updated_at"])
    revisions.filter(active_from__lte=at, active_to__gt=at).update(active_to=None)


def _check_reduction(purchase: SubscriptionAddOn, at: datetime) -> None:
    for item in purchase.items.select_related("subscription").order_by("running_number"):
        revision = revision_at(item, at)
        if revision is None or revision.price is None or revision.price["type"] != "flat":
            continue
        period = item_period(revision, at)
        if period is not None and period.start != at:
            raise field_error(
                "timing",
                "billed_already",
                f"{revision.name} is charged until {period.end:%Y-%m-%d %H:%M} UTC already, and fewer would lower it. "
                "Nothing was changed. Use next_billing_cycle, or the quantity 0 to end it now.",
            )
