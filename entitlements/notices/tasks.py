"""The scheduled look at entitlements, and its housekeeping."""

from celery import shared_task

from entitlements.notices.forget_states import forget_states as forget
from entitlements.notices.tell_due import tell_due

_SECONDS = 4.0  # of one call; beat sends for the next


@shared_task
def tell_entitlements() -> None:
    """Tell of the entitlements that were reset, and of the thresholds that were crossed, since the last look."""
    tell_due(seconds=_SECONDS)


@shared_task
def forget_states() -> None:
    """Once a day is enough."""
    forget()
