"""The scheduled telling of invoices."""

from celery import shared_task

from invoicing.notices.tell_news import tell_news

_SECONDS = 4.0  # of one call; beat sends for the next


@shared_task
def tell_invoices() -> None:
    """Tell of the invoices that were made or have changed."""
    tell_news(seconds=_SECONDS)
