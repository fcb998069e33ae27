"""Tells customers what happens to their subscriptions, through the outbox."""

from datetime import datetime

from core.outbox.services.enqueue import enqueue_email
from core.outbox.services.mail_text import render_mail
from core.periods import zone_info
from subscriptions.models import Subscription


def notify_change(*, subscription: Subscription, mail: str, at: datetime, **values: str) -> None:
    """Say by `mail` what happens to the subscription on the day of `at`; in the transaction of the change.

    `values` are what that text names besides the customer, the subscription and the day.
    """
    customer = subscription.customer
    day = at.astimezone(zone_info(subscription.time_zone))
    enqueue_email(
        to=customer.primary_email or "",
        text=render_mail(
            mail,
            {"customer": customer.name, "subscription": subscription.name, "day": f"{day:%-d %B %Y}", **values},
        ),
        customer_id=customer.id,
    )
