"""Moves a subscription to a newer version of its plan."""

from core import clock
from core.errors import field_error
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.change_result import ChangeResult
from subscriptions.catalog.plan_selectors import plan_named
from subscriptions.errors import NotChangeable
from subscriptions.lifecycle.timing import Timing, moment_of
from subscriptions.models import Plan, Subscription
from subscriptions.schedule.billing_calendar import Anchor


def migrate_subscription(
    *,
    subscription: Subscription,
    timing: Timing,
    target_version: int | None = None,
    starting_phase: str | None = None,
    billing_anchor: Anchor | None = None,
    preview: bool = False,
) -> ChangeResult:
    """As `change_plan`, to `target_version` of the same plan, by default the one on sale then.

    NotChangeable (PreconditionFailed) where the subscription has no plan or is on the newest version; InvalidInput
    where the version named is not newer.
    """
    plan = subscription.plan
    if plan is None:
        raise NotChangeable("is on terms of its own, not on a plan", "Change it to a plan instead.")
    now = clock.now()
    at = moment_of(timing, subscription=subscription, now=now)
    target: Plan = plan_named(key=plan.key, version=target_version, at=max(now, at))
    if target.version <= plan.version:
        if target_version is None:
            raise NotChangeable(f"is on version {plan.version} of {plan.key}, the newest", "Publish a newer version.")
        raise field_error(
            "targetVersion",
            "not_newer",
            f"The subscription is on version {plan.version} of {plan.key}; version {target.version} is not newer. "
            "Nothing was changed.",
        )
    return change_plan(
        subscription=subscription,
        timing=timing,
        plan=target,
        starting_phase=starting_phase,
        billing_anchor=billing_anchor,
        name=subscription.name,
        description=subscription.description,
        preview=preview,
    )
