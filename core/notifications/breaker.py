"""The circuit breaker of each endpoint: one that answers nobody is left alone, and holds up no other.

After five failures in a row nobody sends to an endpoint for half a minute; then one message is its trial: it closes the
breaker, or opens it for twice as long, an hour at most. One that asks for time (429 or 503 with `Retry-After`) gets it.
All of it is in the channel's row and in real time, so that all workers see the same. At most two workers wait for one
endpoint at a time, however many messages it has.
"""

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Count, F, Q

from core.clock import real_now
from core.notifications.models import Channel, Delivery
from core.notifications.retries import FAILURES_TO_OPEN, pause_after

AT_ONCE = 2
# Longer than a request can take, with the look-up of its name: who is silent for so long has ended.
UNDER_WAY = timedelta(seconds=60)


def held_channels() -> Collection[uuid.UUID]:
    """The channels that nobody may send to at this moment: open ones, and those that enough workers wait for."""
    now = real_now()
    resting = Channel.objects.filter(Q(open_until__gt=now) | Q(open_until__isnull=False, probe_until__gt=now))
    busy = Delivery.objects.filter(sending_until__gt=now).order_by().values("channel_id")
    waited_for = busy.annotate(workers=Count("id")).filter(workers__gte=AT_ONCE)
    return {*resting.values_list("pk", flat=True), *waited_for.values_list("channel_id", flat=True)}


def try_channel(channel: Channel) -> bool:
    """Whether a message may go to this channel now. Where the breaker was open, it is the trial, of which there is one
    at a time, and nobody else may meanwhile."""
    if channel.open_until is None:
        return True
    now = real_now()
    unproved = Q(probe_until__isnull=True) | Q(probe_until__lte=now)
    waiting = Channel.objects.filter(unproved, pk=channel.pk, open_until__lte=now)
    return waiting.update(probe_until=now + UNDER_WAY) == 1 or not _is_open(channel)


def _is_open(channel: Channel) -> bool:
    return Channel.objects.filter(pk=channel.pk, open_until__isnull=False).exists()


def note_success(channel: Channel) -> None:
    """The endpoint took a message: its breaker is closed."""
    troubled = Channel.objects.filter(Q(failures__gt=0) | Q(open_until__isnull=False), pk=channel.pk)
    troubled.update(failures=0, openings=0, open_until=None, probe_until=None)


def note_failure(channel: Channel) -> None:
    """The endpoint failed: with the fifth time in a row, and after a trial, its breaker opens."""
    Channel.objects.filter(pk=channel.pk).update(failures=F("failures") + 1)
    # Of several that fail at once, the first opens it, and the others find it open.
    now = real_now()
    to_open = Channel.objects.filter(pk=channel.pk, failures__gte=FAILURES_TO_OPEN).exclude(open_until__gt=now)
    for openings in to_open.values_list("openings", flat=True):
        to_open.filter(openings=openings).update(
            openings=openings + 1, open_until=now + pause_after(openings), probe_until=None
        )


def rest(channel: Channel, wait: timedelta) -> None:
    """The endpoint asks to be left alone for so long."""
    until = real_now() + wait
    awake = Channel.objects.filter(Q(open_until__isnull=True) | Q(open_until__lt=until), pk=channel.pk)
    awake.update(open_until=until, probe_until=None)


def end_trial(channel: Channel) -> None:
    """A trial came to nothing that says how the endpoint is: the next message is another."""
    Channel.objects.filter(pk=channel.pk, open_until__isnull=False).update(probe_until=None)
