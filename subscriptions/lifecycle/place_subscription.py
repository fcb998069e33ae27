"""Places a subscription in time: phases, items and their revisions, quantities; whatever its terms came from."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Unpack

from core import clock
from core.errors import field_error
from core.periods import parse_cadence
from customers.models import Customer
from subscriptions.catalog.plan_selectors import checked_terms, terms_of_plan
from subscriptions.catalog.plan_terms import PhaseTerms, PlacedPhase, PlanTerms, RateCardTerms, place_phases
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import PlanStatus
from subscriptions.errors import CurrencyMismatch
from subscriptions.lifecycle.check_features import check_features
from subscriptions.lifecycle.purchase import Purchase
from subscriptions.models import (
    ItemRevision,
    Plan,
    QuantityChange,
    Subscription,
    SubscriptionItem,
    SubscriptionPhase,
)
from subscriptions.schedule.billing_calendar import CALENDAR, calendar_anchor, normalized_anchor

# Starts further away than this are slips of the pen; a daily item would make thousands of lines of them.
MAX_DISTANCE = timedelta(days=5 * 366)


def place_subscription(
    *,
    customer: Customer,
    active_from: datetime,
    zone: str,
    carried: Mapping[str, Decimal] | None = None,
    previous: Subscription | None = None,
    keeps_usage: bool = True,
    **purchase: Unpack[Purchase],
) -> Subscription:
    """Store a subscription with its phases and items; in the caller's transaction, which holds the customer's lock.

    A successor keeps the anchor of `previous`, with what moved it, unless a `billing_anchor` is given, and its usage if
    it `keeps_usage`. `carried` are
    quantities that hold for flat items where `quantities` says nothing. The rules, and the
    InvalidInput for what breaks one, are those of `record_subscription`.
    """
    plan, custom_plan = purchase.get("plan"), purchase.get("custom_plan")
    billing_anchor, quantities = purchase.get("billing_anchor"), purchase.get("quantities") or {}
    if (plan is None) == (custom_plan is None):
        raise field_error("plan", "plan_or_custom_plan", "Give either plan or customPlan.")
    _check_start(active_from)
    if plan is not None:
        terms = terms_of_plan(_on_sale(plan, active_from))
    else:
        assert custom_plan is not None
        terms = checked_terms(custom_plan, path="customPlan")
    _bind_currency(customer, terms.currency)

    phases = place_phases(_phases_from(terms, purchase.get("starting_phase")), start=active_from, zone=zone)
    _check_quantities(phases, quantities)
    quantities = {**(carried or {}), **quantities}
    check_features(customer, _feature_spans(phases))

    cadence = parse_cadence(terms.billing_cadence)
    if cadence is None:
        raise field_error("billingCadence", "unknown_cadence", "A plan needs a billing cadence such as P1M.")
    shifts: list[Any] = []
    if billing_anchor == CALENDAR:
        anchor = calendar_anchor(
            active_from, zone, cadence, (card.billing_cadence for phase in phases for card in phase.terms.rate_cards)
        )
    elif billing_anchor is not None:
        anchor = normalized_anchor(billing_anchor, zone, cadence, active_from)
    elif previous is not None:
        anchor, shifts = previous.billing_anchor, list(previous.anchor_shifts)
    else:
        anchor = active_from
    subscription = Subscription.objects.create(
        customer=customer,
        plan=plan,
        name=purchase.get("name") or terms.name,
        description=purchase.get("description"),
        metadata=dict(purchase.get("metadata") or {}),
        currency=terms.currency,
        time_zone=zone,
        billing_cadence=terms.billing_cadence,
        billing_anchor=anchor,
        anchor_shifts=shifts,
        previous=previous,
        keeps_usage=keeps_usage,
        pro_rating_enabled=terms.pro_rating_enabled,
        settlement_mode=purchase.get("settlement_mode") or terms.settlement_mode,
        active_from=active_from,
        next_billing_at=active_from,
        reconcile_from=active_from,
    )
    _copy_items(subscription, phases, quantities)
    return subscription


def _check_start(active_from: datetime) -> None:
    if active_from.utcoffset() != timedelta(0):
        raise ValueError(f"{active_from!r} is not a time in UTC.")
    if abs(active_from - clock.now()) > MAX_DISTANCE:
        raise field_error(
            "timing",
            "start_too_far_away",
            f"A subscription can't start on {active_from:%Y-%m-%d}: that is more than five years from now.",
        )


def _on_sale(plan: Plan, active_from: datetime) -> Plan:
    # A start in the past sells what is on sale today; one in the future, what will be on sale then.
    moment = max(clock.now(), active_from)
    status = version_status(plan, moment)
    if plan.deleted_at is not None or status != PlanStatus.ACTIVE:
        state = "deleted" if plan.deleted_at is not None else status.label.lower()
        raise field_error(
            "plan",
            "plan_not_active",
            f"Plan {plan.key} version {plan.version} is {state}, not active, at {moment:%Y-%m-%d %H:%M} UTC. "
            "Publish it, or name an active version.",
        )
    return plan


def _bind_currency(customer: Customer, currency: str) -> None:
    if customer.currency is None:
        customer.currency = currency
        customer.save(update_fields=["currency", "updated_at"])
    elif customer.currency != currency:
        raise CurrencyMismatch(customer=customer.name, theirs=customer.currency, offered=currency)


def _phases_from(terms: PlanTerms, starting_phase: str | None) -> tuple[PhaseTerms, ...]:
    if starting_phase is None:
        return terms.phases
    keys = [phase.key for phase in terms.phases]
    if starting_phase not in keys:
        raise field_error(
            "startingPhase",
            "phase_not_found",
            f"{terms.name} has no phase {starting_phase!r}. Choose one of: {', '.join(keys)}.",
        )
    return terms.phases[keys.index(starting_phase) :]


def _check_quantities(phases: tuple[PlacedPhase, ...], quantities: Mapping[str, Decimal]) -> None:
    flat = {card.key for phase in phases for card in phase.terms.rate_cards if card.is_flat}
    for key, quantity in quantities.items():
        if key not in flat:
            raise field_error(
                f"quantities.{key}",
                "not_a_flat_item",
                f"{key!r} is not a flat item of this plan. Flat items are: {', '.join(sorted(flat)) or 'none'}.",
            )
        if quantity < 0:
            raise field_error(f"quantities.{key}", "negative", f"The quantity of {key} must not be negative.")


def _feature_spans(phases: Sequence[PlacedPhase]) -> list[tuple[str, datetime, datetime | None]]:
    return [
        (card.feature_key, phase.active_from, phase.active_to)
        for phase in phases
        for card in phase.terms.rate_cards
        if card.feature_key is not None
    ]


def _copy_items(subscription: Subscription, phases: tuple[PlacedPhase, ...], quantities: Mapping[str, Decimal]) -> None:
    placed = [
        SubscriptionPhase(
            subscription=subscription,
            position=position,
            key=phase.terms.key,
            name=phase.terms.name,
            description=phase.terms.description,
            metadata=dict(phase.terms.metadata),
            active_from=phase.active_from,
            active_to=phase.active_to,
        )
        for position, phase in enumerate(phases)
    ]
    items: dict[str, SubscriptionItem] = {}
    revisions: list[ItemRevision] = []
    changes: dict[str, QuantityChange] = {}
    numbers = count(1)
    for row, phase in zip(placed, phases, strict=True):
        for card in phase.terms.rate_cards:
            item = items.get(card.key)
            if item is None:
                item = SubscriptionItem(subscription=subscription, running_number=next(numbers), key=card.key)
                items[card.key] = item
            revisions.append(revision_of(card, item=item, phase=row, start=phase.active_from, end=phase.active_to))
            quantity = quantities.get(card.key, Decimal(1))
            if card.is_flat and quantity != 1 and card.key not in changes:
                changes[card.key] = QuantityChange(item=item, effective_at=phase.active_from, quantity=quantity)
    SubscriptionPhase.objects.bulk_create(placed)
    SubscriptionItem.objects.bulk_create(items.values())
    ItemRevision.objects.bulk_create(revisions)
    QuantityChange.objects.bulk_create(changes.values())


def revision_of(
    card: RateCardTerms, *, item: SubscriptionItem, phase: SubscriptionPhase, start: datetime, end: datetime | None
) -> ItemRevision:
    """A revision, not stored yet, that prices `item` by `card` during `[start, end)`."""
    return ItemRevision(
        item=item,
        phase=phase,
        active_from=start,
        active_to=end,
        feature_key=card.feature_key,
        **card.columns(),
    )
