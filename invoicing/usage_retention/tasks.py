"""The scheduled work of usage retention. Each task calls one verb; all state is in the database."""

from celery import shared_task

from core import clock
from invoicing.usage_retention.drop_billed_months import drop_billed_months as drop


@shared_task
def drop_billed_months() -> None:
    """Drop the months of usage events that are billed and older than they are kept; nothing where no time is set."""
    drop(now=clock.now())
