"""Housekeeping of the REST API."""

from celery import shared_task

from billing_site.access.services.purge_idempotent_responses import purge_idempotent_responses as purge


@shared_task
def purge_idempotent_responses() -> None:
    """Once a day is enough."""
    purge()
