"""Shows what a new subscription would bill at its start and at its next billing date, writing nothing."""

from datetime import datetime
from typing import Unpack

from django.db import transaction

from core import clock
from core.approvals.limits import foreseeing
from core.locks import lock_customers
from customers.models import Customer
from invoicing.closing.close_customers import bill_customer
from invoicing.closing.park_customer import parked_customer
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.previews.preview_change import LookAhead
from invoicing.subscription_changes.change_result import ChangeResult, change_result, with_outlook
from invoicing.subscription_changes.limit_own_prices import check_custom_plan
from subscriptions.lifecycle.purchase import Purchase
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Subscription


def preview_start(
    *,
    customer: Customer,
    active_from: datetime,
    **purchase: Unpack[Purchase],
) -> ChangeResult:
    """What `start_subscription` with the same values bills first: the lines that are collected now, of this
    subscription alone. Refuses what that refuses. A parked customer can subscribe; nothing is billed before the
    release."""
    with transaction.atomic(), uncounted():
        lock_customers([customer.id])
        ahead = LookAhead.begin(customer.id)
        custom_plan = purchase.get("custom_plan")
        if custom_plan is not None:
            with foreseeing():
                check_custom_plan(customer.id, custom_plan)
        subscription = record_subscription(customer=customer, active_from=active_from, **purchase)
        now = clock.now()
        sync_customers([customer.id], as_of=now)
        result = _alone(subscription, now)
        # What follows is billed by the close that is asked for at once, with whatever else is due.
        outlook = ahead.outlook(effect=ahead.rhythm.collects(max(now, active_from)), watched={subscription.id})
        result = with_outlook(result, outlook, effect=now)
        transaction.set_rollback(True)
    return result


def _alone(subscription: Subscription, now: datetime) -> ChangeResult:
    """What is due now of this subscription, apart from all else that its customer has."""
    with transaction.atomic():
        close = None
        if parked_customer(subscription.customer_id) is None:
            close = bill_customer(
                subscription.customer_id,
                as_of=now,
                select=lambda line: line.collect_at <= now and line.subscription_id == subscription.id,
            )
        sync_customers([subscription.customer_id], as_of=now)
        result = change_result(subscription, close=close)
        transaction.set_rollback(True)
    return result
