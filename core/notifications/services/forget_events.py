"""Forgets events that were told long ago, with their deliveries and attempts."""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from core import clock
from core.bulk import delete_rows
from core.many_ids import among
from core.notifications.models import Attempt, Delivery, Event
from core.outbox.models import OutboxMessage

BATCH_SIZE = 500


def forget_events() -> int:
    """Delete the events made `NOTICE_RETENTION_DAYS` and longer ago; how many there were. None where that is 0.

    One that waits, or was given up, is kept until it was sent again, or its channel is deleted. In batches, each in a
    transaction of its own, by the index of their time.
    """
    if not settings.NOTICE_RETENTION_DAYS:
        return 0
    before = clock.now() - timedelta(days=settings.NOTICE_RETENTION_DAYS)
    forgotten, last = 0, None
    while batch := _next(before, last):
        last = batch[-1]
        forgotten += _forget([event_id for _, event_id in batch])
    return forgotten


def _next(before: datetime, last: tuple[datetime, uuid.UUID] | None) -> list[tuple[datetime, uuid.UUID]]:
    """The next of those that are old enough, kept ones too: the oldest first."""
    old = Event.objects.filter(created_at__lt=before)
    if last is not None:
        at, event_id = last
        old = old.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gt=event_id), created_at__gte=at)
    return list(old.order_by("created_at", "id").values_list("created_at", "id")[:BATCH_SIZE])


@transaction.atomic
def _forget(event_ids: Collection[uuid.UUID]) -> int:
    # Who sends one again meanwhile has its deliveries, or finds them gone.
    theirs = among(Delivery.objects.order_by("id"), "event_id", event_ids)
    list(theirs.select_for_update().values_list("pk", flat=True))
    waiting = theirs.filter(message__delivered_at=None, channel__deleted_at=None)
    gone = set(event_ids) - set(waiting.values_list("event_id", flat=True))
    deliveries = dict(among(Delivery.objects.order_by(), "event_id", gone).values_list("pk", "message_id"))
    delete_rows(Attempt, among(Attempt.objects.order_by(), "delivery_id", deliveries).values_list("pk", flat=True))
    delete_rows(Delivery, deliveries)
    delete_rows(OutboxMessage, deliveries.values())
    delete_rows(Event, gone)
    return len(gone)
