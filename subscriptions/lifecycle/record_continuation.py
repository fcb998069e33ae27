"""Takes a planned end back, so that a subscription runs on."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from subscriptions.errors import NotChangeable
from subscriptions.lifecycle.check_features import check_longer, kept_by_database
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import Subscription


@kept_by_database()
@transaction.atomic
def record_continuation(*, subscription: Subscription) -> Subscription:
    """Let `subscription` run on without end.

    NotChangeable (PreconditionFailed) where no end is planned, and once it has ended; SuccessorScheduled (Conflict)
    while a change of plan waits to take its place; FeatureAlreadySubscribed (Conflict) where another subscription was
    to take over one of its features.
    """
    now = clock.now()
    subscription = lock_subscription(
        subscription, at=max(now, subscription.active_from), verb=Verb.UNSCHEDULE_CANCELATION
    )
    before = subscription.active_to
    if before is None:
        raise NotChangeable("runs on without a planned end", "There is nothing to unschedule.")
    check_longer(subscription, since=before, until=None)
    subscription.active_to = None
    subscription.save(update_fields=["active_to", "updated_at"])
    subscription.items.filter(continued_at__isnull=False).update(continued_at=None)
    facts_changed(subscription=subscription, changed_from=periods_touched(subscription, before), due_at=before)
    record(
        verb="subscription.cancelation_unscheduled",
        target=subscription,
        did=f"let {subscription} run on, which was to end on {before:%Y-%m-%d %H:%M} UTC",
        changes={"activeTo": [before.isoformat(), None]},
        customer_id=subscription.customer_id,
    )
    return subscription
