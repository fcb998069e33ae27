"""Sends webhooks from the outbox: signed, at least once, each attempt under the event's own id.

Whoever dies between an endpoint's answer and the mark of it sends the same message again, by whose `webhook-id`
receivers know it. What an endpoint took and was marked so is not sent again, whatever becomes of the outbox's own mark.
"""

import json
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from core import clock
from core.clock import real_now
from core.crypto import decrypt
from core.ids import to_text
from core.notifications.addresses import read_url
from core.notifications.breaker import (
    UNDER_WAY,
    end_trial,
    held_channels,
    note_failure,
    note_success,
    rest,
    try_channel,
)
from core.notifications.models import Attempt, Channel, Delivery, Event
from core.notifications.post import Answer, Limits, NotSent, post
from core.notifications.retries import (
    ASKS_FOR_TIME,
    GIVE_UP_AFTER,
    GONE,
    MAX_ATTEMPTS,
    asked_wait,
    is_success,
    speaks_against_endpoint,
    wait_after,
)
from core.notifications.services.disable_gone import disable_gone
from core.notifications.services.record_events import TOPIC as TOPIC
from core.notifications.signing import signature
from core.outbox.services.deliver import Send, register
from core.outbox.services.terms import Later, Never, Refused, Terms

WEBHOOKS = (TOPIC,)
"""The topics of the outbox that are delivered here."""

KEPT_BODY = 1000  # characters of an answer
_LOOK_AGAIN = timedelta(seconds=10)


def _send(message_id: uuid.UUID, payload: Mapping[str, Any]) -> None:
    deliveries = Delivery.objects.select_related("event__rule", "channel")
    delivery = deliveries.get(message_id=message_id)
    channel = delivery.channel
    if delivery.succeeded_at is not None:
        return
    if channel.deleted_at is not None or channel.disabled:
        raise Never(f"The channel {channel} is {'deleted' if channel.deleted_at else 'disabled'}. Nothing was sent.")
    if not try_channel(channel):
        if clock.now() >= delivery.give_up_at:
            raise Never("The endpoint has answered nobody for days. It was given up.")
        raise Later("The endpoint is left alone for a while after failures.", until=clock.now() + _LOOK_AGAIN)
    Delivery.objects.filter(pk=delivery.pk).update(sending_until=real_now() + UNDER_WAY)
    try:
        _attempt(delivery)
    except BaseException:  # whatever stopped it, the next message is the trial
        end_trial(channel)
        raise
    finally:
        Delivery.objects.filter(pk=delivery.pk).update(sending_until=None)


def _attempt(delivery: Delivery) -> None:
    """One request, and what came of it: marked in one transaction."""
    channel = delivery.channel
    headers = headers_of(channel, delivery.event)
    begun = time.monotonic()
    answer: Answer | None = None
    error = ""
    try:
        answer = post(read_url(channel.url), delivery.event.body.encode(), headers, limits=_limits())
    except (NotSent, ValueError) as why:
        error = str(why)
    took = int((time.monotonic() - begun) * 1000)
    status = answer.status if answer is not None else None
    succeeded = status is not None and is_success(status)
    wait = asked_wait(answer.retry_after, real_now()) if answer is not None and not succeeded else None
    now = clock.now()
    with transaction.atomic():
        Attempt.objects.create(
            delivery=delivery,
            at=now,
            succeeded=succeeded,
            status_code=status,
            body=_excerpt(answer),
            error=error,
            duration_ms=took,
            url=channel.url,
        )
        columns = {"updated_at": now} | ({"succeeded_at": now} if succeeded else {})
        Delivery.objects.filter(pk=delivery.pk).update(**columns)
        if succeeded:
            note_success(channel)
        elif status == GONE:
            disable_gone(channel)
        elif speaks_against_endpoint(status):
            note_failure(channel)
            if wait and status in ASKS_FOR_TIME:
                rest(channel, wait)
    if status == GONE:
        raise Never("The endpoint answered 410: it wants nothing any more. The channel was disabled.")
    if not succeeded and wait:
        raise Refused(f"The endpoint answered {status}, and asked for time.", until=now + wait)
    if not succeeded:
        raise Refused(error or f"The endpoint answered {status}.")


def headers_of(channel: Channel, event: Event) -> dict[str, str]:
    """What goes out with an event, signed in this moment (real time). CredentialUnreadable where the secret can't be
    read with the keys of this site."""
    timestamp = int(real_now().timestamp())
    message_id = to_text(event.pk)
    signed = signature(decrypt(channel.secret), message_id=message_id, timestamp=timestamp, body=event.body.encode())
    return {
        **custom_headers(channel),
        "Content-Type": "application/json",
        "User-Agent": "Countinghouse-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
    }


def custom_headers(channel: Channel) -> dict[str, str]:
    """The headers that the channel's owner wants, as they were given. CredentialUnreadable as above."""
    return dict(json.loads(decrypt(channel.headers))) if channel.headers else {}


def _limits() -> Limits:
    return Limits(allowed=None if settings.WEBHOOK_ALLOW_PRIVATE else settings.WEBHOOK_ALLOWED_NETWORKS)


def _excerpt(answer: Answer | None) -> str:
    if answer is None:
        return ""
    # PostgreSQL stores no NUL.
    return (
        answer.body[: 4 * KEPT_BODY].decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")[:KEPT_BODY]
    )


@contextmanager
def _webhooks() -> Iterator[Send]:
    yield _send


def _wait(attempts: int) -> timedelta:
    return wait_after(attempts, chance=random.random())


register(
    TOPIC,
    _webhooks,
    Terms(max_attempts=MAX_ATTEMPTS, wait=_wait, held=held_channels, held_for=GIVE_UP_AFTER),
)
