"""The scheduled look at thresholds."""

from celery import shared_task

from entitlements.notices.tell_thresholds import tell_thresholds

_SECONDS = 15.0  # of one call; beat sends for the next


@shared_task
def tell_crossed_thresholds() -> None:
    """Tell of the thresholds that usage has crossed since the last look."""
    tell_thresholds(seconds=_SECONDS)
