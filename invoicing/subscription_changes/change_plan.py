"""Changes the plan of a subscription: what was not used comes back, the new plan is charged (billing rules 10)."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal

from core.approvals.limits import foreseeing
from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.limit_own_prices import check_custom_plan
from invoicing.subscription_changes.notify_change import notify_change
from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.choices import UsageOnChange
from subscriptions.lifecycle.record_plan_change import record_plan_change
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import Plan, Subscription
from subscriptions.schedule.billing_calendar import Anchor


def change_plan(
    *,
    subscription: Subscription,
    timing: Timing,
    plan: Plan | None = None,
    custom_plan: PlanTerms | None = None,
    billing_anchor: Anchor | None = None,
    starting_phase: str | None = None,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
    settlement_mode: str | None = None,
    usage: str = UsageOnChange.PRESERVE,
    quantities: Mapping[str, Decimal] | None = None,
    preview: bool = False,
) -> ChangeResult:
    """As `change_plan`, when `timing` says, and billed at once where that is now; with `preview` nothing is kept."""

    def change(current: Subscription, at: datetime) -> Subscription:
        if custom_plan is not None:
            with foreseeing() if preview else nullcontext():
                check_custom_plan(current.customer_id, custom_plan)
        successor = record_plan_change(
            subscription=current,
            at=at,
            plan=plan,
            custom_plan=custom_plan,
            billing_anchor=billing_anchor,
            starting_phase=starting_phase,
            name=name,
            description=description,
            metadata=metadata,
            settlement_mode=settlement_mode,
            usage=usage,
            quantities=quantities,
        )
        notify_change(subscription=current, mail="plan_changed", at=at, successor=successor.name)
        return successor

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview)
