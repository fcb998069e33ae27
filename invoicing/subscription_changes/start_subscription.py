"""Starts a subscription with everything that belongs to it: its gathering lines and the purchase notice."""

import uuid
from datetime import datetime
from typing import Unpack

from django.db import transaction

from core import clock
from core.errors import field_error
from core.ids import to_text
from core.outbox.services.enqueue import enqueue_email
from core.outbox.services.mail_text import render_mail
from core.periods import zone_info
from customers.models import Customer
from invoicing.gathering.sync import sync_customers
from invoicing.runs.tasks import close_customers
from invoicing.subscription_changes.limit_own_prices import check_custom_plan
from subscriptions.choices import SubscriptionStatus
from subscriptions.lifecycle.purchase import Purchase
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.lifecycle.selectors import current_period
from subscriptions.lifecycle.states import with_status
from subscriptions.models import Subscription


@transaction.atomic
def start_subscription(
    *,
    customer: Customer,
    active_from: datetime,
    **purchase: Unpack[Purchase],
) -> Subscription:
    """As `record_subscription`, and the customer's gathering invoice shows it at once (billing rules 4 and 6).

    A purchase always sends its notice. What is due now is billed by the next close, which is asked for at once.
    """
    custom_plan = purchase.get("custom_plan")
    if custom_plan is not None:
        check_custom_plan(customer.pk, custom_plan)
    subscription = record_subscription(customer=customer, active_from=active_from, **purchase)
    sync_customers([customer.id], as_of=clock.now())
    _send_notice(subscription)
    subscription.refresh_from_db(fields=["next_billing_at", "reconcile_from"])
    if subscription.next_billing_at is not None and subscription.active_from <= clock.now():
        # Without the broker the schedule finds it all the same, so a failure to ask is no failure to subscribe.
        transaction.on_commit(lambda: close_customers.delay([to_text(customer.id)]), robust=True)
    return subscription


def next_cycle_start(*, customer_id: uuid.UUID) -> datetime:
    """When the current billing period of the customer's running subscription ends, the newest one if there are several.

    InvalidInput where none is running: there is no cycle to wait for.
    """
    now = clock.now()
    running = with_status(
        Subscription.objects.filter(customer_id=customer_id),
        [SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED],
        now,
    ).first()
    if running is None:
        raise field_error(
            "timing",
            "no_billing_cycle",
            "The customer has no running subscription, so there is no next billing cycle to start at. Use immediate, "
            "or a date.",
        )
    return current_period(running, now).end


def _send_notice(subscription: Subscription) -> None:
    customer = subscription.customer
    starts = subscription.active_from.astimezone(zone_info(subscription.time_zone))
    enqueue_email(
        to=customer.primary_email or "",
        text=render_mail(
            "subscription_started",
            {"customer": customer.name, "subscription": subscription.name, "day": f"{starts:%-d %B %Y}"},
        ),
        customer_id=customer.id,
        dedupe_key=f"subscription-created:{to_text(subscription.id)}",
    )
