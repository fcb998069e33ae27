"""Lets a subscription run on whose end was planned: a cancelation, or a change of plan that is still to come."""

from django.db import transaction

from core import clock
from core.locks import lock_customers
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.previews.preview_change import LookAhead
from invoicing.subscription_changes.change_result import ChangeResult, change_result, with_outlook
from invoicing.subscription_changes.delete_subscription import delete_subscription
from subscriptions.lifecycle.lock_subscription import scheduled_successor
from subscriptions.lifecycle.record_continuation import record_continuation
from subscriptions.models import Subscription


def unschedule_cancelation(*, subscription: Subscription, preview: bool = False) -> ChangeResult:
    """As `record_continuation`; a successor that has not begun is deleted. Bills nothing by itself.

    With `preview` nothing is kept.
    """
    with transaction.atomic(), uncounted(when=preview):
        lock_customers([subscription.customer_id])
        ahead = LookAhead.begin(subscription.customer_id) if preview else None
        successor = scheduled_successor(subscription)
        if successor is not None:
            delete_subscription(subscription=successor)
        continued = record_continuation(subscription=subscription)
        sync_customers([subscription.customer_id], as_of=clock.now())
        result = change_result(continued)
        if ahead is not None:
            now = clock.now()
            result = with_outlook(result, ahead.outlook(effect=now, watched=result.changed), effect=now)
            transaction.set_rollback(True)
    return result
