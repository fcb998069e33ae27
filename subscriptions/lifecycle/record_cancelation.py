"""Ends a subscription at a moment."""

from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import field_error
from subscriptions.lifecycle.check_features import check_longer, kept_by_database
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import Subscription


@kept_by_database()
@transaction.atomic
def record_cancelation(*, subscription: Subscription, at: datetime) -> Subscription:
    """Let `subscription` end at `at` (UTC); until then it runs on as it is (billing rules 10). Touches no invoice.

    One that is canceled already ends at `at` instead. Repeating it changes nothing. NotChangeable
    (PreconditionFailed) once it has ended; SuccessorScheduled (Conflict) while a change of plan waits;
    FeatureAlreadySubscribed (Conflict) where it would end later than another subscription begins with its feature;
    InvalidInput at the start of one that has not begun, which is deleted instead.
    """
    subscription = lock_subscription(subscription, at=at, verb=Verb.CANCEL)
    before = subscription.active_to
    if before == at:
        return subscription
    if subscription.active_from > clock.now() and at == subscription.active_from:
        raise field_error("timing", "not_begun", "It has not begun: delete it instead. Nothing was changed.")
    if before is not None and before < at:
        check_longer(subscription, since=before, until=at)
    subscription.active_to = at
    subscription.save(update_fields=["active_to", "updated_at"])
    touched = min(at, before) if before is not None else at
    facts_changed(
        subscription=subscription, changed_from=periods_touched(subscription, touched), due_at=max(clock.now(), touched)
    )
    record(
        verb="subscription.canceled",
        target=subscription,
        did=f"canceled {subscription}, which ends on {at:%Y-%m-%d %H:%M} UTC",
        changes={"activeTo": [before.isoformat() if before else None, at.isoformat()]},
        customer_id=subscription.customer_id,
    )
    return subscription
