"""Puts a message into the outbox."""

import uuid
from collections.abc import Mapping
from typing import Any

from core.outbox.models import OutboxMessage


def enqueue(
    *, topic: str, payload: Mapping[str, Any], customer_id: uuid.UUID | None = None, dedupe_key: str | None = None
) -> None:
    """Store a message with the change that causes it: call it in the same transaction.

    A second message with the same `dedupe_key` is dropped silently: repeating a service says nothing twice.
    """
    message = OutboxMessage(topic=topic, payload=dict(payload), customer_id=customer_id, dedupe_key=dedupe_key)
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=dedupe_key is not None)


def enqueue_email(
    *,
    to: str,
    subject: str,
    body: str,
    customer_id: uuid.UUID | None = None,
    dedupe_key: str | None = None,
) -> None:
    """Store a plain-text e-mail notice. Without an address there is nobody to tell, and nothing is stored."""
    if to:
        enqueue(
            topic="email",
            payload={"to": to, "subject": subject, "body": body},
            customer_id=customer_id,
            dedupe_key=dedupe_key,
        )
