"""Resumes a paused subscription; what is left of the period is charged (billing rules 10)."""

from datetime import datetime

from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from subscriptions.lifecycle.record_resumption import record_resumption
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import Subscription


def resume_subscription(*, subscription: Subscription, timing: Timing, preview: bool = False) -> ChangeResult:
    """As `record_resumption`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept."""

    def change(current: Subscription, at: datetime) -> None:
        record_resumption(subscription=current, at=at)

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview)
