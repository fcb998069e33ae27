"""Tells customers what happens to their subscriptions, through the outbox."""

from datetime import datetime

from core.outbox.services.enqueue import enqueue_email
from core.periods import zone_info
from subscriptions.models import Subscription


def notify_change(*, subscription: Subscription, what: str, at: datetime) -> None:
    """Say that the subscription does `what` on the day of `at`; in the transaction of the change."""
    customer = subscription.customer
    day = at.astimezone(zone_info(subscription.time_zone))
    enqueue_email(
        to=customer.primary_email or "",
        subject=f"Your subscription {subscription.name} has changed",
        body=f"Hello {customer.name},\n\nyour subscription {subscription.name} {what} on {day:%-d %B %Y}.\n",
        customer_id=customer.id,
    )
