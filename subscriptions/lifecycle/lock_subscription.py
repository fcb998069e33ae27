"""Takes a subscription for a change: locks its customer, reads it again, and sees that it can be changed."""

from datetime import datetime

from core import clock
from core.errors import field_error
from core.locks import lock_customers
from subscriptions.errors import NotChangeable, SuccessorScheduled
from subscriptions.models import Subscription


def lock_subscription(
    subscription: Subscription, *, at: datetime, canceled: bool = False, paused: bool = False, scheduled: bool = False
) -> Subscription:
    """`subscription`, read again behind its customer's lock, to be changed with effect from `at` (UTC).

    `canceled`, `paused` and `scheduled` say that one with a planned end, one that is paused, and one that has not
    begun will do, too. NotChangeable (PreconditionFailed) otherwise; SuccessorScheduled (Conflict) where a change of
    plan already waits; InvalidInput where `at` lies before the start.
    """
    lock_customers([subscription.customer_id])
    subscription = (
        Subscription.objects.select_for_update(of=("self",)).select_related("plan", "customer").get(pk=subscription.pk)
    )
    now, start, end = clock.now(), subscription.active_from, subscription.active_to
    if end is not None and end <= now:
        raise NotChangeable(f"ended on {end:%Y-%m-%d %H:%M} UTC", "Start a new one instead.")
    if start > now and not scheduled:
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
    if end is not None and not canceled:
        raise NotChangeable(
            f"is canceled and ends on {end:%Y-%m-%d %H:%M} UTC", "Unschedule the cancelation before changing it."
        )
    if not paused:
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
