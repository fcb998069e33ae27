"""The scheduled look at entitlements."""

from celery import shared_task

from entitlements.notices.tell_due import tell_due

_SECONDS = 8.0  # of one call; beat sends for the next


@shared_task
def tell_entitlements() -> None:
    """Tell of the entitlements that were reset, and of the thresholds that were crossed, since the last look."""
    tell_due(seconds=_SECONDS)
