"""The scheduled delivery of the outbox."""

from celery import shared_task

from core.outbox.services.deliver import SECONDS, deliver_due, helpers_wanted


@shared_task
def deliver_outbox() -> None:
    """Deliver what is due, with the help of other workers where it is much."""
    for _ in range(helpers_wanted()):
        help_deliver.apply_async(expires=SECONDS)
    deliver_due()


@shared_task
def help_deliver() -> None:
    """Deliver what is due, beside whoever called for help."""
    deliver_due()
