"""The scheduled delivery of mails; what other topics there are is delivered by tasks of their own rooms."""

from celery import shared_task

from core.outbox.services.deliver import SECONDS, deliver_due, helpers_wanted

MAILS = ("email",)


@shared_task
def deliver_outbox() -> None:
    """Deliver the mails that are due, with the help of other workers where it is many."""
    for _ in range(helpers_wanted(MAILS)):
        help_deliver.apply_async(expires=SECONDS)
    deliver_due(topics=MAILS)


@shared_task
def help_deliver() -> None:
    """Deliver mails that are due, beside whoever called for help."""
    deliver_due(topics=MAILS)
