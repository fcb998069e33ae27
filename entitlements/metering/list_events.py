"""Pages of stored events, from the latest back: each reads a bounded number of rows, whatever it is narrowed by."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from customers.models import UsageSubject
from entitlements.metering.selectors import events_for_display
from entitlements.metering.store.find_keys import MOST_KEYS, find_keys
from entitlements.models import UsageEvent

# How many events a page looks through for those that are asked for, where no index leads to them.
LOOKED_THROUGH = 10_000


class Place(NamedTuple):
    """Where an event stands in the list."""

    time: datetime
    id: UUID


class EventFilter(NamedTuple):
    """`conditions` say which events are asked for. The others say what of that leads to them by an index: times, and
    where it has to be one of these, the id, the source, the subject and the customer."""

    conditions: Q = Q()
    times: Q = Q()
    ids: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    subjects: Sequence[str] | None = None
    customers: Sequence[UUID] | None = None


class EventPage(NamedTuple):
    """`next` is where the next page goes on; None at the end of the list. Any page may hold fewer events than it
    could, or none, and the list go on."""

    events: list[UsageEvent]
    next: Place | None


def list_events(*, asked: EventFilter, after: Place | None, limit: int) -> EventPage:
    """The events that come after a place, `limit` at most, as `events_for_display` has them. Three queries at most."""
    found = events_for_display().filter(asked.conditions, asked.times).order_by("-time", "-id")
    if after is not None:
        found = found.filter(_not_later(after), Q(time__lt=after.time) | Q(id__lt=after.id))
    if asked.customers is not None:
        found = _of_customers(found, asked.customers)
    keys = None if asked.ids is None else find_keys(asked.ids, asked.sources)
    if keys is not None and len(keys) <= MOST_KEYS:
        found = found.filter(id__in=[key.stored_as for key in keys], time__in={key.time for key in keys})
        return _page(found, limit, None)
    if asked.subjects is not None or asked.customers is not None or not asked.conditions:
        return _page(found, limit, None)
    last = _last_looked_at(asked, after)
    if last is not None:
        found = found.filter(Q(time__gte=last.time), Q(time__gt=last.time) | Q(id__gte=last.id))
    return _page(found, limit, last)


def _page(found: QuerySet[UsageEvent], limit: int, last: Place | None) -> EventPage:
    events = list(found[: limit + 1])
    if len(events) > limit:
        events.pop()
        last = Place(events[-1].time, events[-1].id)
    return EventPage(events, last)


def _last_looked_at(asked: EventFilter, after: Place | None) -> Place | None:
    """How far a page looks; None where that is to the end."""
    passed = UsageEvent.objects.filter(asked.times).order_by("-time", "-id")
    if after is not None:
        passed = passed.filter(_not_later(after), Q(time__lt=after.time) | Q(id__lt=after.id))
    places = list(passed.values_list("time", "id")[LOOKED_THROUGH - 1 : LOOKED_THROUGH])
    return Place(*places[0]) if places else None


def _not_later(place: Place) -> Q:
    # Said by itself, it bounds the index.
    return Q(time__lte=place.time)


def _of_customers(found: QuerySet[UsageEvent], customers: Sequence[UUID]) -> QuerySet[UsageEvent]:
    """Those whose subject was one of these customers' at the time. One query."""
    theirs = UsageSubject.objects.filter(customer__in=customers)
    then = theirs.filter(
        Q(active_from=None) | Q(active_from__lte=OuterRef("time")),
        Q(deleted_at=None) | Q(deleted_at__gt=OuterRef("time")),
        key=OuterRef("subject"),
    )
    return found.filter(Exists(then), subject__in=list(theirs.order_by().values_list("key", flat=True).distinct()))
