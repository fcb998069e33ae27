"""The scheduled work of late usage. Each task calls one verb; all state is in the database."""

from celery import shared_task

from invoicing.late_usage import find_late_usage as finder


@shared_task
def find_late_usage() -> None:
    """Note which settled windows have changed, and look at them; what is left is the next turn's."""
    finder.find_late_usage()
