"""The scheduled work of progressive billing. Each task calls one verb; all state is in the database."""

from celery import shared_task

from core.testclock.selectors import clock_advances
from invoicing.progressive import watch_spending as service


@shared_task
def watch_spending() -> None:
    """Bill whoever has reached their threshold, unless the test clock is on its way: it looks at each of its stops."""
    if not clock_advances():
        service.watch_spending(seconds=service.SECONDS)
