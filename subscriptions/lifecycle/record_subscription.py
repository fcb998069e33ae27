"""Starts a subscription: copies a plan's terms, freezes zone, currency and anchor, numbers the items."""

from datetime import datetime
from typing import Unpack

from django.db import transaction

from core.audit.services.record import record
from core.errors import field_error
from core.locks import lock_customers
from customers.effective_settings import hold_default
from customers.models import Customer
from subscriptions.lifecycle.check_features import kept_by_database
from subscriptions.lifecycle.entitle import settle_entitlements
from subscriptions.lifecycle.place_subscription import place_subscription
from subscriptions.lifecycle.purchase import Purchase
from subscriptions.models import Subscription


@kept_by_database()
@transaction.atomic
def record_subscription(
    *,
    customer: Customer,
    active_from: datetime,
    **purchase: Unpack[Purchase],
) -> Subscription:
    """Subscribe `customer` to what `purchase` says, from `active_from` (UTC) on.

    Boundaries fall on `billing_anchor` (by default the start; any recurrence of it will do; or where the periods of the
    calendar begin), by the wall time of the customer's zone of today, which the subscription keeps (billing rules 2).

    InvalidInput where a value is wrong, Conflict where the customer's currency differs or a feature would be billed
    twice. Nothing is kept of a subscription that was refused.
    """
    lock_customers([customer.id])
    # Read again behind the lock: the caller's copy may be older than the last change.
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if customer.deleted_at is not None:
        raise field_error(
            "customerId", "customer_deleted", f"{customer.name} was deleted, and deleted customers can't subscribe."
        )
    # From here on the customer has business: a switch of the default that comes now must see that, and pin them.
    hold_default()
    subscription = place_subscription(
        customer=customer,
        active_from=active_from,
        zone=customer.time_zone,
        **purchase,
    )
    settle_entitlements(customer.id)
    record(
        verb="subscription.created",
        target=subscription,
        did=f"subscribed {customer} to {subscription.name} from {active_from:%Y-%m-%d %H:%M} UTC",
        customer_id=customer.id,
    )
    return subscription
