"""The scheduled delivery of the outbox."""

from celery import shared_task

from core.outbox.services.deliver import deliver_due


@shared_task
def deliver_outbox() -> None:
    deliver_due()
