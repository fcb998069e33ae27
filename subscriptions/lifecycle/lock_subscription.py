"""Takes a subscription for a change: locks its customer, reads it again, and sees that it can be changed."""

from datetime import datetime

from core import clock
from core.errors import field_error
from core.locks import lock_customers
from subscriptions.choices import SubscriptionStatus
from subscriptions.errors import NotChangeable, SuccessorScheduled
from subscriptions.lifecycle.states import MOVES, Verb, status_at
from subscriptions.models import Subscription


def lock_subscription(subscription: Subscription, *, at: datetime, verb: Verb, repeated: bool = False) -> Subscription:
    """`subscription`, read again behind its customer's lock, to be changed by `verb` with effect from `at` (UTC).

    In which status that is allowed, `states.MOVES` says; a pause that is only `repeated` stands in no way of itself.
    NotChangeable (PreconditionFailed) otherwise; SuccessorScheduled (Conflict) where a change of
    plan already waits; InvalidInput where `at` lies before the start.
    """
    lock_customers([subscription.customer_id])
    subscription = (
        Subscription.objects.select_for_update(of=("self",)).select_related("plan", "customer").get(pk=subscription.pk)
    )
    start, end = subscription.active_from, subscription.active_to
    allowed, status = MOVES[verb], status_at(subscription, clock.now())
    if status == SubscriptionStatus.INACTIVE and end is not None:
        raise NotChangeable(f"ended on {end:%Y-%m-%d %H:%M} UTC", "Start a new one instead.")
    if status == SubscriptionStatus.SCHEDULED and status not in allowed.statuses:
        raise NotChangeable(
            f"begins on {start:%Y-%m-%d %H:%M} UTC only", "Delete it and subscribe again, or wait until it has begun."
        )
    if at < start:
        raise field_error(
            "timing",
            "before_start",
            f"The subscription began on {start:%Y-%m-%d %H:%M} UTC, so nothing of it can change on "
            f"{at:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
        )
    successor = scheduled_successor(subscription)
    if successor is not None:
        raise SuccessorScheduled(successor=successor.name, starts=successor.active_from)
    # Also one that has not begun may have its end planned.
    if end is not None and SubscriptionStatus.CANCELED not in allowed.statuses:
        raise NotChangeable(
            f"is canceled and ends on {end:%Y-%m-%d %H:%M} UTC", "Unschedule the cancelation before changing it."
        )
    if not (allowed.while_paused or repeated):
        _check_pauses(subscription, at)
    return subscription


def _check_pauses(subscription: Subscription, at: datetime) -> None:
    for pause in subscription.pauses:
        if pause["to"] is None or datetime.fromisoformat(pause["to"]) > at:
            until = "" if pause["to"] is None else f" until {pause['to']}"
            raise NotChangeable(f"is paused from {pause['from']}{until}", "Resume it before changing it.")


def scheduled_successor(subscription: Subscription) -> Subscription | None:
    """The subscription that a change of plan has put in this one's place and that has not begun yet."""
    return subscription.successors.filter(active_from__gt=clock.now()).first()
