"""Puts messages into the outbox."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from core.outbox.models import OutboxMessage
from core.outbox.services.mail_text import MailText


@dataclass(frozen=True, slots=True)
class Email:
    """A plain-text e-mail notice. A second one with the same `dedupe_key` is dropped silently."""

    to: str
    text: MailText
    customer_id: uuid.UUID | None = None
    dedupe_key: str | None = None


def enqueue_emails(emails: Sequence[Email]) -> None:
    """Store e-mail notices with the change that causes them: call it in the same transaction. One query.

    Without an address there is nobody to tell, and nothing is stored.
    """
    OutboxMessage.objects.bulk_create(
        [
            OutboxMessage(
                topic="email",
                payload={"to": email.to, "subject": email.text.subject, "body": email.text.body},
                customer_id=email.customer_id,
                dedupe_key=email.dedupe_key,
            )
            for email in emails
            if email.to
        ],
        ignore_conflicts=True,
    )


def enqueue_email(
    *, to: str, text: MailText, customer_id: uuid.UUID | None = None, dedupe_key: str | None = None
) -> None:
    """Store one e-mail notice."""
    enqueue_emails([Email(to, text, customer_id, dedupe_key)])
