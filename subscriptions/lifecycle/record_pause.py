"""Pauses a subscription: nothing is active or billed until it is resumed."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from core import clock
from core.audit.services.record import record
from core.periods import parse_cadence
from subscriptions.errors import NotChangeable
from subscriptions.lifecycle.facts import calendar_of
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.lock_subscription import lock_subscription
from subscriptions.lifecycle.states import Verb
from subscriptions.lifecycle.timing import periods_touched
from subscriptions.models import ItemRevision, Subscription
from subscriptions.schedule import SubscriptionFacts
from subscriptions.schedule.billing_calendar import period_at


@transaction.atomic
def record_pause(*, subscription: Subscription, at: datetime) -> Subscription:
    """Pause `subscription` from `at` (UTC) on, until somebody resumes it (billing rules 10). Touches no invoice.

    Its boundaries stay where they are. Repeating it changes nothing. NotChangeable (PreconditionFailed) where it does
    not run then, or is paused already.
    """
    wanted = {"from": at.isoformat(), "to": None}
    subscription.refresh_from_db(fields=["pauses"])
    repeated = subscription.pauses[-1:] == [wanted]
    subscription = lock_subscription(subscription, at=at, verb=Verb.PAUSE, repeated=repeated)
    if repeated:
        return subscription
    calendar = calendar_of(subscription)
    if not subscription.pro_rating_enabled and period_at(calendar, calendar.cadence, at).start != at:
        raise NotChangeable(
            "is billed by whole periods, so a part of one can't be paused", "Pause it at the next billing cycle."
        )
    cut = None if subscription.pro_rating_enabled else _divided_by(subscription, calendar, at)
    if cut is not None:
        raise NotChangeable(
            f"is billed by whole periods, and one of {cut} goes on over {at:%Y-%m-%d %H:%M} UTC",
            "Pause it when a period of each of its items begins, or cancel it.",
        )
    subscription.pauses = [*subscription.pauses, wanted]
    subscription.save(update_fields=["pauses", "updated_at"])
    facts_changed(
        subscription=subscription, changed_from=periods_touched(subscription, at), due_at=max(clock.now(), at)
    )
    record(
        verb="subscription.paused",
        target=subscription,
        did=f"paused {subscription} from {at:%Y-%m-%d %H:%M} UTC on",
        customer_id=subscription.customer_id,
    )
    return subscription


def _divided_by(subscription: Subscription, calendar: SubscriptionFacts, at: datetime) -> str | None:
    """The name of an item with a period, by its own cadence, that a pause from `at` on would divide: both parts would
    be charged whole, or the second again though the whole is billed. None where there is none. One query."""
    goes_on = Q(active_to__isnull=True) | Q(active_to__gt=at)
    priced = ItemRevision.objects.filter(
        goes_on, item__subscription=subscription, active_from__lt=at, price__isnull=False
    )
    for name, text in priced.order_by("item__running_number").values_list("name", "billing_cadence"):
        cadence = parse_cadence(text)
        if cadence is not None and period_at(calendar, cadence, at).start != at:
            return name
    return None
