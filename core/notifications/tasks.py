"""The scheduled delivery of webhooks, and its housekeeping."""

from celery import shared_task

from core.notifications.services.deliver_webhooks import WEBHOOKS
from core.notifications.services.forget_events import forget_events as forget
from core.outbox.services.deliver import SECONDS, deliver_due, helpers_wanted


@shared_task
def deliver_webhooks() -> None:
    """Deliver the webhooks that are due, with the help of other workers where they are many."""
    for _ in range(helpers_wanted(WEBHOOKS)):
        help_deliver_webhooks.apply_async(expires=SECONDS)
    deliver_due(topics=WEBHOOKS)


@shared_task
def help_deliver_webhooks() -> None:
    """Deliver webhooks that are due, beside whoever called for help."""
    deliver_due(topics=WEBHOOKS)


@shared_task
def forget_events() -> None:
    """Once a day is enough."""
    forget()
