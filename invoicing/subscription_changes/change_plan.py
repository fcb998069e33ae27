"""Changes the plan of a subscription: what was not used comes back, the new plan is charged (billing rules 10)."""

from contextlib import nullcontext
from datetime import datetime
from typing import Unpack

from core.approvals.limits import foreseeing
from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.limit_own_prices import check_custom_plan
from invoicing.subscription_changes.notify_change import notify_change
from subscriptions.choices import UsageOnChange
from subscriptions.lifecycle.purchase import Purchase
from subscriptions.lifecycle.record_plan_change import record_plan_change
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import Subscription


def change_plan(
    *,
    subscription: Subscription,
    timing: Timing,
    usage: str = UsageOnChange.PRESERVE,
    preview: bool = False,
    **purchase: Unpack[Purchase],
) -> ChangeResult:
    """As `record_plan_change`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept."""

    def change(current: Subscription, at: datetime) -> Subscription:
        custom_plan = purchase.get("custom_plan")
        if custom_plan is not None:
            with foreseeing() if preview else nullcontext():
                check_custom_plan(current.customer_id, custom_plan)
        successor = record_plan_change(subscription=current, at=at, usage=usage, **purchase)
        notify_change(subscription=current, mail="plan_changed", at=at, successor=successor.name)
        return successor

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview)
