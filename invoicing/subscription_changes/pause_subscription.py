"""Pauses a subscription; what was paid in advance for the time of the pause comes back (billing rules 10)."""

from datetime import datetime

from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from subscriptions.lifecycle.record_pause import record_pause
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import Subscription


def pause_subscription(*, subscription: Subscription, timing: Timing, preview: bool = False) -> ChangeResult:
    """As `record_pause`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept."""

    def change(current: Subscription, at: datetime) -> None:
        record_pause(subscription=current, at=at)

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview)
