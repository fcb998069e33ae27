"""Delivers due messages, each at least once, with back-off after a failure, by any number of workers at once.

A worker claims some messages for as long as it lives, sends them outside of any transaction, and marks each as soon as
it is out, also where its claim was lost meanwhile: what is out is not sent again.
Before it sends one, it counts the attempt and puts off the next one, as if this one had failed: a message that ends its
worker is tried no more often than one that fails, keeps no other waiting, and is given up in the end.
Who dies in between leaves the claim to run out: the one message that was under way may go out twice, then under the
same message id, by which receivers know it. Workers don't wait for each other, so that messages to one receiver may
overtake each other; those of one claim go out in the order in which they were due.

A topic may have terms of its own (`terms.py`). Messages of one lane go to one receiver: while that answers nobody, its
lane is held, and its messages are not even claimed.
"""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Q, QuerySet

from core import clock
from core.ids import new_id, to_text
from core.leases import kept_alive, lease_end, unleased
from core.outbox.models import OutboxMessage
from core.outbox.services.terms import Later, Never, Refused, Terms

logger = logging.getLogger(__name__)

BATCH_SIZE = 50
SECONDS = 8.0  # of one call, so that a worker's slot is free again before beat sends for the next
LEASE = timedelta(seconds=60)
# What is known of an attempt while it lasts, and after one that its worker did not survive.
_UNKNOWN_END = "It is under way, or whoever sent it ended while it was."
MOST_HELPERS = 3  # with the one who calls them, half the places of a worker: charges never wait for mails

# Sends one message: its id, the same at each attempt, and its payload.
Send = Callable[[uuid.UUID, Mapping[str, Any]], None]

# Opens the way to send messages of a topic, for as long as a batch takes.
_ways: dict[str, Callable[[], AbstractContextManager[Send]]] = {}
_terms: dict[str, Terms] = {}
_USUAL = Terms()


def register(topic: str, way: Callable[[], AbstractContextManager[Send]], terms: Terms = _USUAL) -> None:
    """Say who delivers messages of `topic`, and on which terms. Called once, when the application starts."""
    _ways[topic], _terms[topic] = way, terms


def known_topics() -> list[str]:
    """The topics that have a way, in order."""
    return sorted(_ways)


def deliver_due(*, topics: Collection[str] | None = None, seconds: float = SECONDS) -> int:
    """Deliver due messages (of these topics; None: of all that have a way) until none is left or `seconds` have passed;
    returns how many went out. It ends with the message that is under way then, which a mail server that doesn't answer
    holds for `EMAIL_TIMEOUT`.

    Call it outside of a transaction: what was sent stays sent, whatever becomes of the rest.
    """
    ends_at = time.monotonic() + seconds
    delivered = 0
    while messages := _claim(topics):
        delivered += _deliver(messages, ends_at)
        if time.monotonic() > ends_at:
            break
    return delivered


def helpers_wanted(topics: Collection[str] | None = None) -> int:
    """How many more workers there is something to do for: one for each further batch that is due, up to three."""
    due = _free(clock.now(), topics)[: BATCH_SIZE * (MOST_HELPERS + 1)].count()
    return max(0, -(-due // BATCH_SIZE) - 1)


def _free(now: datetime, topics: Collection[str] | None) -> QuerySet[OutboxMessage]:
    known = _ways.keys() if topics is None else topics
    free = OutboxMessage.objects.filter(unleased(), topic__in=sorted(known), due_at__lte=now)
    for terms in (_terms[topic] for topic in known):
        held = terms.held()
        if held:
            free = free.filter(Q(lane__isnull=True) | ~Q(lane__in=held) | Q(due_at__lte=now - terms.held_for))
    return free


@transaction.atomic
def _claim(topics: Collection[str] | None = None) -> list[OutboxMessage]:
    """Some due messages that are ours for `LEASE`; what another worker has or takes is left to it."""
    free = _free(clock.now(), topics).select_for_update(skip_locked=True).order_by("due_at", "id")
    messages = list(free[:BATCH_SIZE])
    token = new_id()
    for message in messages:
        message.lease_token = token
    OutboxMessage.objects.filter(pk__in=[message.pk for message in messages]).update(
        lease_until=lease_end(LEASE), lease_token=token
    )
    return messages


def _deliver(messages: Sequence[OutboxMessage], ends_at: float) -> int:
    """Send them one after the other, and those that are no longer ours not at all; returns how many went out. What is
    left at `ends_at` is free for others again."""
    delivered = 0
    renew_at = time.monotonic() + LEASE.total_seconds() / 3
    with ExitStack() as stack:
        # Beside the sending: one message may take longer than the claim lasts.
        progressed = stack.enter_context(kept_alive(partial(_renew, messages[0], messages)))
        ways: dict[str, Send] = {}
        for position, message in enumerate(messages):
            is_kept = True
            if time.monotonic() > renew_at:
                renew_at = time.monotonic() + LEASE.total_seconds() / 3
                is_kept = _keep(message, messages[position:])
            is_over = position and time.monotonic() > ends_at
            if is_over or not is_kept or not _begin(message):
                _ours(message, messages[position:]).update(lease_until=None, lease_token=None)
                break
            try:
                if message.topic not in ways:
                    ways[message.topic] = stack.enter_context(_ways[message.topic]())
                ways[message.topic](message.pk, message.payload)
            except Later as later:
                _mark(
                    _ours(message, [message]),
                    attempts=message.attempts - 1,
                    due_at=later.until,
                    last_error=str(later),
                )
            except Never as never:
                _mark(_ours(message, [message]), due_at=None, last_error=str(never))
            except Refused as refused:
                _mark_failed(message, str(refused), not_before=refused.until)
            except Exception as error:  # whatever stopped it, the message is kept and tried again
                logger.warning("outbox message %s failed", to_text(message.pk), exc_info=True)
                _mark_failed(message, f"{type(error).__name__}: {error}")
            else:
                delivered += _mark_delivered(message)
            progressed()
    return delivered


def _keep(first: OutboxMessage, left: Sequence[OutboxMessage]) -> bool:
    """Renew the claim on what is left of a slow batch; False where another worker has taken it over."""
    return _renew(first, left) == len(left)


def _renew(first: OutboxMessage, messages: Sequence[OutboxMessage]) -> int:
    """Renew the claim on those of these messages that are still claimed by us; how many these are."""
    return _ours(first, messages).update(lease_until=lease_end(LEASE))


def _ours(first: OutboxMessage, left: Sequence[OutboxMessage]) -> QuerySet[OutboxMessage]:
    """Those of a claim that no other worker has taken over."""
    return OutboxMessage.objects.filter(pk__in=[message.pk for message in left], lease_token=first.lease_token)


def _begin(message: OutboxMessage) -> bool:
    """Count an attempt before it is made, and say when the next one may be; False where the message is no longer ours.

    The same worker may not live to say how it ended.
    """
    message.attempts += 1
    terms = _terms[message.topic]
    again_at = clock.now() + terms.wait(message.attempts)
    return bool(
        _ours(message, [message]).update(
            attempts=message.attempts,
            due_at=None if message.attempts >= terms.max_attempts else again_at,
            last_error=_UNKNOWN_END,
        )
    )


def _mark_failed(message: OutboxMessage, error: str, not_before: datetime | None = None) -> None:
    """`_begin` has said when the next attempt may be, if any."""
    ours = _ours(message, [message])
    if not_before is not None:
        ours.filter(due_at__lt=not_before).update(due_at=not_before)
    _mark(ours, last_error=error)


def _mark_delivered(message: OutboxMessage) -> int:
    """Say that it is out, whoever has claimed it meanwhile; 0 where another worker has said so already."""
    missing = OutboxMessage.objects.filter(pk=message.pk, delivered_at=None)
    return _mark(missing, delivered_at=clock.now(), due_at=None, last_error="")


def _mark(attempted: QuerySet[OutboxMessage], **columns: Any) -> int:
    """Write what came of an attempt, and end the claim."""
    return attempted.update(lease_until=None, lease_token=None, **columns)


@contextmanager
def _mail() -> Iterator[Send]:
    """One connection to the mail server for all messages of a batch, made anew after a failure."""
    connection = get_connection()
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]

    def send(message_id: uuid.UUID, payload: Mapping[str, Any]) -> None:
        headers = {"Message-ID": f"<{to_text(message_id).lower()}@{domain}>"}
        mail = EmailMessage(payload["subject"], payload["body"], to=[payload["to"]], headers=headers)
        try:
            connection.open()
            connection.send_messages([mail])
        except Exception:  # whatever it was, the next message gets a connection that nothing is left of
            connection.close()
            raise

    try:
        yield send
    finally:
        connection.close()


register("email", _mail)
