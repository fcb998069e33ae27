"""Resumes a paused subscription."""

from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import field_error
from subscriptions.errors import NotChangeable
from subscriptions.lifecycle.coupon_periods import coupons_recounted
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import Subscription


@transaction.atomic
def record_resumption(*, subscription: Subscription, at: datetime) -> Subscription:
    """End the pause of `subscription` at `at` (UTC); from there on its time is billed again. Touches no invoice.

    A pause that has not begun is called off. Repeating it changes nothing. NotChangeable (PreconditionFailed) where
    there is no pause to end; InvalidInput where `at` lies before it.
    """
    subscription = lock_subscription(subscription, at=at, verb=Verb.RESUME)
    now = clock.now()
    last = subscription.pauses[-1] if subscription.pauses else None
    if last is not None and last["to"] == at.isoformat():
        return subscription
    if last is None or (last["to"] is not None and datetime.fromisoformat(last["to"]) <= now):
        raise NotChangeable("is not paused", "There is nothing to resume.")
    begins = datetime.fromisoformat(last["from"])
    if begins > now:
        pauses, did = subscription.pauses[:-1], "called off the pause of"
    elif at < begins:
        raise field_error(
            "timing", "before_pause", f"The pause began on {begins:%Y-%m-%d %H:%M} UTC only. Nothing was changed."
        )
    else:
        # Also a pause of no length stays: what it gave back must be charged as time of its own.
        pauses, did = [*subscription.pauses[:-1], last | {"to": at.isoformat()}], "resumed"
    with coupons_recounted(subscription):
        subscription.pauses = pauses
        subscription.save(update_fields=["pauses", "updated_at"])
    touched = min(begins, at)
    facts_changed(
        subscription=subscription, changed_from=periods_touched(subscription, touched), due_at=max(now, touched)
    )
    record(
        verb="subscription.resumed",
        target=subscription,
        did=f"{did} {subscription} from {at:%Y-%m-%d %H:%M} UTC on",
        customer_id=subscription.customer_id,
    )
    return subscription
