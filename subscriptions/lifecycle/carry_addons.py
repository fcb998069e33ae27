"""Carries add-ons over to the successor of a subscription, as far as its plan sells them (billing rules 10)."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import Max

from core import clock
from subscriptions.catalog.addon_selectors import terms_of_addon
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.record_addon_quantity import place_addon_quantity
from subscriptions.lifecycle.selectors import overlapping_features
from subscriptions.models import AddOn, Plan, PlanAddOn, Subscription, SubscriptionAddOn, SubscriptionItem

# How many of an add-on from when on, in order of time.
Quantities = list[tuple[datetime, Decimal]]


def carry_addons(*, old: Subscription, new: Subscription, at: datetime) -> None:
    """Let what `old` has of add-ons at `at` (UTC), or is to have later, stay on `new` where its plan sells them; in the
    caller's transaction, which holds the customer's lock and has ended `old` there.

    By the terms of the version that the new plan sells, in the same quantity, also where that plan sells fewer to those
    who buy now. What the new plan prices or grants itself, or sells in a later phase only, does not stay.
    """
    purchases = list(old.addons.select_related("addon").prefetch_related("quantities"))
    if new.plan is None or not purchases:
        return
    offers = _sold(new, new.plan, at)
    for purchase in purchases:
        quantities = quantities_from(purchase, at)
        addon = offers.get(purchase.addon_id) or offers.get(purchase.addon.key)
        if addon is None or not quantities:
            continue
        cards = terms_of_addon(addon).rate_cards
        if _is_apart(new, cards, quantities):
            _buy(new, purchase, addon, cards, quantities)


def quantities_from(purchase: SubscriptionAddOn, at: datetime) -> Quantities:
    """How many there are of it at `at` and from each later time on that is planned; empty where it has ended."""
    steps = [(at, purchase.quantity_at(at))]
    steps += [(row.effective_at, row.quantity) for row in purchase.quantities.all() if row.effective_at > at]
    while steps and not steps[0][1]:
        steps.pop(0)
    return steps


def _sold(new: Subscription, plan: Plan, at: datetime) -> dict[object, AddOn]:
    """What the plan sells in the phase that holds `at`, by id and by key; of two versions the newer one by key."""
    moment = max(clock.now(), at)
    begins = {phase.key: phase.active_from for phase in new.phases.all()}
    offers = PlanAddOn.objects.filter(plan=plan, addon__deleted_at=None, addon__effective_from__lte=moment)
    found: dict[object, AddOn] = {}
    for offer in offers.select_related("addon").order_by("addon__version"):
        # A subscription that began in a later phase has passed the one from which on the add-on is sold.
        if begins.get(offer.from_plan_phase, at) <= at:
            found[offer.addon_id] = found[offer.addon.key] = offer.addon
    return found


def _is_apart(new: Subscription, cards: Iterable[RateCardTerms], quantities: Quantities) -> bool:
    """Whether nothing else of the customer has the keys or, at that time, the features of the add-on."""
    if new.items.filter(key__in=[card.key for card in cards]).exists():
        return False
    spans = [
        (card.feature_key, begins, ends)
        for card in cards
        if card.feature_key is not None
        for begins, ends in spans_of(quantities)
    ]
    return not overlapping_features(customer_id=new.customer_id, spans=spans)


def spans_of(quantities: Quantities) -> list[tuple[datetime, datetime | None]]:
    """When there is any of it."""
    ends: list[datetime | None] = [effective_at for effective_at, _ in quantities[1:]]
    return [(step[0], end) for step, end in zip(quantities, [*ends, None], strict=True) if step[1]]


def _buy(
    new: Subscription,
    purchase: SubscriptionAddOn,
    addon: AddOn,
    cards: Iterable[RateCardTerms],
    quantities: Quantities,
) -> None:
    kept = SubscriptionAddOn.objects.create(
        subscription=new,
        addon=addon,
        name=purchase.name,
        description=purchase.description,
        metadata=purchase.metadata,
    )
    newest = new.items.aggregate(newest=Max("running_number"))["newest"] or 0
    SubscriptionItem.objects.bulk_create(
        SubscriptionItem(subscription=new, running_number=number, key=card.key, purchase=kept)
        for number, card in enumerate(cards, newest + 1)
    )
    for effective_at, quantity in quantities:
        place_addon_quantity(purchase=kept, quantity=quantity, at=effective_at)
