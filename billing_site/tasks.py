"""Tasks of the site itself."""

from celery import shared_task

from billing_site import heartbeat


@shared_task
def beat_heartbeat() -> None:
    """Beat sends it every few seconds and a worker does it, so its mark proves that both are at work."""
    heartbeat.mark()
