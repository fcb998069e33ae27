"""Lets a subscription run on whose end was planned: a cancelation, or a change of plan that is still to come."""

from django.db import transaction

from core import clock
from core.locks import lock_customers
from invoicing.services.delete_subscription import delete_subscription
from invoicing.services.sync_gathering import sync_customers
from subscriptions.models import Subscription
from subscriptions.services.lock_subscription import scheduled_successor
from subscriptions.services.unschedule_cancelation import unschedule_cancelation


@transaction.atomic
def continue_subscription(*, subscription: Subscription) -> Subscription:
    """As `unschedule_cancelation`; a successor that has not begun is deleted. Repeating it changes nothing."""
    lock_customers([subscription.customer_id])
    successor = scheduled_successor(subscription)
    if successor is not None:
        delete_subscription(subscription=successor)
    continued = unschedule_cancelation(subscription=subscription)
    sync_customers([subscription.customer_id], as_of=clock.now())
    return continued
