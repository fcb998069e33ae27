"""Owns the status of a subscription at a time, and in which status each verb is allowed (billing rules 10).

The status is nowhere stored: it follows from when a subscription begins and ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import Q, QuerySet

from subscriptions.choices import SubscriptionStatus as Status
from subscriptions.models import Subscription


def status_at(subscription: Subscription, moment: datetime) -> Status:
    """The status of `subscription` at `moment` (UTC). CANCELED is one that runs and has a planned end; one that begins
    and ends at once never runs."""
    if subscription.active_to is not None and subscription.active_to <= moment:
        return Status.INACTIVE
    if subscription.active_from > moment:
        return Status.SCHEDULED
    return Status.ACTIVE if subscription.active_to is None else Status.CANCELED


def not_ended(moment: datetime) -> Q:
    """Subscriptions that are not INACTIVE at `moment`: they run, or are to begin."""
    return Q(active_to__isnull=True) | Q(active_to__gt=moment)


def still_billed(moment: datetime) -> Q:
    """Subscriptions that are yet to be billed: those not ended at `moment`, and ended ones with something that waits,
    say for the next collection: a last use, or what is given back (billing rules 5). Else they have no next billing."""
    return not_ended(moment) | Q(next_billing_at__isnull=False)


def with_status(subscriptions: QuerySet[Subscription], statuses: Iterable[str], at: datetime) -> QuerySet[Subscription]:
    """Those which have one of `statuses` at `at`: the same rule as `status_at`, in SQL."""
    future = Q(active_from__gt=at)
    conditions = {
        Status.INACTIVE: ~not_ended(at),
        Status.SCHEDULED: not_ended(at) & future,
        Status.ACTIVE: ~future & Q(active_to__isnull=True),
        Status.CANCELED: ~future & Q(active_to__gt=at),
    }
    wanted = Q(pk__in=())
    for status in statuses:
        wanted |= conditions[Status(status)]
    return subscriptions.filter(wanted)


class Verb(StrEnum):
    """What can be done to a subscription as a whole."""

    CHANGE_PLAN = "change_plan"
    EDIT = "edit"
    CHANGE_ADDON = "change_addon"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    UNSCHEDULE_CANCELATION = "unschedule_cancelation"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Allowed:
    """When a verb is allowed: in which statuses, and whether also where the subscription is paused, or to be."""

    statuses: frozenset[Status]
    while_paused: bool


_NOT_ENDED: Final = frozenset({Status.SCHEDULED, Status.ACTIVE, Status.CANCELED})

MOVES: Final[Mapping[Verb, Allowed]] = {
    # What has a planned end, or a pause, would have that changed unseen: it is taken back first.
    Verb.CHANGE_PLAN: Allowed(frozenset({Status.ACTIVE}), while_paused=False),
    Verb.EDIT: Allowed(frozenset({Status.SCHEDULED, Status.ACTIVE}), while_paused=False),
    # An add-on ends with its subscription.
    Verb.CHANGE_ADDON: Allowed(frozenset({Status.ACTIVE, Status.CANCELED}), while_paused=False),
    Verb.PAUSE: Allowed(frozenset({Status.ACTIVE}), while_paused=False),
    Verb.RESUME: Allowed(frozenset({Status.ACTIVE, Status.CANCELED}), while_paused=True),
    Verb.CANCEL: Allowed(_NOT_ENDED, while_paused=True),
    Verb.UNSCHEDULE_CANCELATION: Allowed(_NOT_ENDED, while_paused=True),
    # Whatever has begun is canceled instead.
    Verb.DELETE: Allowed(frozenset({Status.SCHEDULED}), while_paused=True),
}
"""In which status each verb is allowed. None is, once a subscription has ended."""
