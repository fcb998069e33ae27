"""Cancels a subscription, now or later; what was paid in advance and not used comes back (billing rules 10)."""

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from core import clock
from core.locks import lock_customers
from core.money import ZERO, round_money
from invoicing.lifecycle.numbering import uncounted
from invoicing.previews.preview_change import LookAhead
from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.delete_subscription import delete_subscription
from invoicing.subscription_changes.notify_change import notify_change
from subscriptions.lifecycle.record_cancelation import record_cancelation
from subscriptions.lifecycle.timing import Timing, moment_of
from subscriptions.models import Subscription


def cancel_subscription(*, subscription: Subscription, timing: Timing, preview: bool = False) -> ChangeResult:
    """As `record_cancelation`, when `timing` says, and billed then, or on the customer's rhythm of collection; with
    `preview` nothing is kept. One that would never begin is deleted."""
    now = clock.now()
    if now < subscription.active_from and moment_of(timing, subscription=subscription, now=now) <= (
        subscription.active_from
    ):
        return _never_begun(subscription, preview)

    def change(current: Subscription, at: datetime) -> None:
        canceled = record_cancelation(subscription=current, at=at)
        ends = "subscription_ends" if at >= clock.now() else "subscription_ended"
        notify_change(subscription=canceled, mail=ends, at=at)

    return bill_change(subscription=subscription, timing=timing, change=change, preview=preview, at_once=False)


def _never_begun(subscription: Subscription, preview: bool) -> ChangeResult:
    identity, outlook = subscription.pk, None
    with transaction.atomic(), uncounted(when=preview):
        lock_customers([subscription.customer_id])
        ahead = LookAhead.begin(subscription.customer_id) if preview else None
        delete_subscription(subscription=subscription)
        if ahead is not None:
            outlook = ahead.outlook(effect=clock.now(), watched=set())
            transaction.set_rollback(True)
    # Shown once more as it ended: without any time.
    subscription.pk, subscription.active_to = identity, subscription.active_from
    zero = round_money(ZERO, subscription.currency)
    result = ChangeResult(subscription, None, subscription.currency, zero, zero, zero, zero, None, zero)
    return replace(result, outlook=outlook)
