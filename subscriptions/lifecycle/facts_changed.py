"""What follows whenever a subscription's facts change: its bills may differ, and so may what it entitles to."""

from datetime import datetime

from subscriptions.lifecycle.entitle import settle_entitlements
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.models import Subscription


def facts_changed(*, subscription: Subscription, changed_from: datetime, due_at: datetime | None = None) -> None:
    """Let the close bill the difference from `changed_from` on, due at `due_at` (default: now), and the customer's
    entitlements follow. Called once the facts are as they will be, behind the customer's lock."""
    mark_for_billing(subscription=subscription, changed_from=changed_from, due_at=due_at)
    settle_entitlements(subscription.customer_id)
