"""Cancels a subscription, now or later; what was paid in advance and not used comes back (billing rules 10)."""

from datetime import datetime

from core import clock
from invoicing.services.bill_change import ChangeResult, bill_change
from invoicing.services.notify_change import notify_change
from subscriptions.models import Subscription
from subscriptions.services.cancel_subscription import cancel_subscription
from subscriptions.timing import Timing


def end_subscription(*, subscription: Subscription, timing: Timing, preview: bool = False) -> ChangeResult:
    """As `cancel_subscription`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept."""

    def change(current: Subscription, at: datetime) -> None:
        canceled = cancel_subscription(subscription=current, at=at)
        notify_change(subscription=canceled, what="ends" if at >= clock.now() else "ended", at=at)

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview)
