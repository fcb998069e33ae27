"""Moves a customer from one plan to another: ends a subscription and starts its successor at the same moment."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Unpack

from django.db import transaction
from django.db.models import Q

from core import clock
from core.audit.services.record import record
from subscriptions.choices import UsageOnChange
from subscriptions.errors import CurrencyMismatch
from subscriptions.lifecycle.carry_addons import carry_addons
from subscriptions.lifecycle.carry_coupons import carry_coupons
from subscriptions.lifecycle.carry_periods import carry_periods
from subscriptions.lifecycle.check_features import kept_by_database
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.place_subscription import place_subscription
from subscriptions.lifecycle.purchase import Purchase
from subscriptions.lifecycle.selectors import flat_items_at, quantity_at
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import QuantityChange, Subscription


@kept_by_database()
@transaction.atomic
def record_plan_change(
    *,
    subscription: Subscription,
    at: datetime,
    usage: str = UsageOnChange.PRESERVE,
    **purchase: Unpack[Purchase],
) -> Subscription:
    """End `subscription` at `at` (UTC) and start its successor there, on what `purchase` says.

    Zone, and without a `billing_anchor` the boundaries, stay. Seats carry over to flat items of the same key, also the
    changes planned for later, unless `quantities` says otherwise; so do coupons that still run and the add-ons that
    `plan` sells, too. With usage preserved, items of the same key continue their period; a one-time fee is owed once
    for each item key and plan (billing rules 10). Touches no invoice. Answers the successor.

    NotChangeable (PreconditionFailed) where the subscription does not run; SuccessorScheduled, CurrencyMismatch or
    FeatureAlreadySubscribed (Conflict); InvalidInput where a value is wrong.
    """
    old = lock_subscription(subscription, at=at, verb=Verb.CHANGE_PLAN)
    plan, custom_plan = purchase.get("plan"), purchase.get("custom_plan")
    currency = (
        plan.currency if plan is not None else (custom_plan.currency if custom_plan is not None else old.currency)
    )
    if currency != old.currency:
        raise CurrencyMismatch(customer=old.customer.name, theirs=old.currency, offered=currency)
    carried = {item.key: quantity_at(item, at) for item in flat_items_at(old, at)}
    old.active_to = at
    old.save(update_fields=["active_to", "updated_at"])
    if purchase.get("metadata") is None:
        purchase["metadata"] = old.metadata
    new = place_subscription(
        customer=old.customer,
        active_from=at,
        zone=old.time_zone,
        carried=carried,
        previous=old,
        keeps_usage=usage == UsageOnChange.PRESERVE,
        **purchase,
    )
    _carry_planned_quantities(old, new, at, given=purchase.get("quantities") or {})
    carry_addons(old=old, new=new, at=at)
    carry_coupons(old=old, new=new, at=at)
    carry_periods(old=old, new=new, at=at, usage=usage == UsageOnChange.PRESERVE)
    facts_changed(subscription=old, changed_from=periods_touched(old, at), due_at=max(clock.now(), at))
    record(
        verb="subscription.changed",
        target=old,
        did=f"changed {old} to {new.name} on {at:%Y-%m-%d %H:%M} UTC",
        changes={"activeTo": [None, at.isoformat()]},
        customer_id=old.customer_id,
    )
    return new


def _carry_planned_quantities(
    old: Subscription, new: Subscription, at: datetime, *, given: Mapping[str, Decimal]
) -> None:
    """Changes of quantity that were planned for after the change of plan stay planned."""
    planned = QuantityChange.objects.filter(item__subscription=old, effective_at__gt=at).exclude(item__key__in=given)
    flat = Q(revisions__price__type="flat")
    targets = {item.key: item for item in new.items.filter(flat).distinct()}
    QuantityChange.objects.bulk_create(
        QuantityChange(
            item=targets[key], effective_at=effective_at, quantity=quantity, action=action, recorded_at=recorded_at
        )
        for key, effective_at, quantity, action, recorded_at in planned.values_list(
            "item__key", "effective_at", "quantity", "action", "recorded_at"
        )
        if key in targets
    )
