"""Buys add-ons for subscriptions and changes their quantity, with the money: billed at once where it counts now."""

from collections.abc import Mapping
from datetime import datetime

from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.notify_change import notify_change
from subscriptions.lifecycle.record_addon import check_quantity, record_addon
from subscriptions.lifecycle.record_addon_quantity import record_addon_quantity
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import AddOn, Subscription, SubscriptionAddOn


def add_addon(
    *,
    subscription: Subscription,
    addon: AddOn,
    quantity: int,
    timing: Timing,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
    preview: bool = False,
) -> ChangeResult:
    """As `record_addon`, when `timing` says; what it costs for the rest of the period is billed at once. With `preview`
    nothing is kept."""

    def change(current: Subscription, at: datetime) -> None:
        bought = record_addon(
            subscription=current,
            addon=addon,
            quantity=quantity,
            at=at,
            name=name,
            description=description,
            metadata=metadata,
        )
        notify_change(subscription=current, mail="addon_bought", at=at, addon=bought.name)

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview)


def change_addon_quantity(
    *, purchase: SubscriptionAddOn, quantity: int, timing: Timing, preview: bool = False
) -> ChangeResult:
    """As `record_addon_quantity`, when `timing` says: more is billed at once, what was not used of an end comes back.
    With `preview` nothing is kept."""
    check_quantity(purchase.subscription, purchase.addon, quantity)

    def change(current: Subscription, at: datetime) -> None:
        record_addon_quantity(purchase=purchase, quantity=quantity, at=at)
        notify_change(
            subscription=current, mail="addon_quantity_changed", at=at, addon=purchase.name, quantity=str(quantity)
        )

    return bill_change(subscription=purchase.subscription, timing=timing, change=change, preview=preview)
