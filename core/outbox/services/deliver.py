"""Delivers due messages, each at least once, with back-off after a failure."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction

from core import clock
from core.outbox.models import OutboxMessage

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
AT_ONCE = 100

type_handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {}


def register(topic: str, handler: Callable[[Mapping[str, Any]], None]) -> None:
    """Say who delivers messages of `topic`. Called once, when the application starts."""
    type_handlers[topic] = handler


def deliver_due() -> int:
    """Deliver up to `AT_ONCE` due messages and return how many went out. Safe to run in many workers at once."""
    delivered = 0
    for _ in range(AT_ONCE):
        outcome = _deliver_next()
        if outcome is None:
            break
        delivered += outcome
    return delivered


def _deliver_next() -> bool | None:
    """One message in one transaction: whether it went out, or None when nothing is due."""
    with transaction.atomic():
        now = clock.now()
        message = (
            OutboxMessage.objects.select_for_update(skip_locked=True).filter(due_at__lte=now).order_by("due_at").first()
        )
        if message is None:
            return None
        message.attempts += 1
        try:
            type_handlers[message.topic](message.payload)
        except Exception as error:  # whatever stopped it, the message is kept and tried again
            logger.warning("outbox message %s failed", message.id, exc_info=True)
            message.last_error = f"{type(error).__name__}: {error}"
            gave_up = message.attempts >= MAX_ATTEMPTS
            message.due_at = None if gave_up else now + timedelta(seconds=30 * 2**message.attempts)
            message.save()
            return False
        message.delivered_at, message.due_at, message.last_error = now, None, ""
        message.save()
        return True


def _send_email(payload: Mapping[str, Any]) -> None:
    EmailMessage(subject=payload["subject"], body=payload["body"], to=[payload["to"]]).send()


register("email", _send_email)
