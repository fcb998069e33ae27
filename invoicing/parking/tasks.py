"""The scheduled work of parking. Each task calls one verb; all state is in the database."""

from celery import shared_task

from invoicing.parking.release_by_worker import work_next_release


@shared_task
def release_asked() -> None:
    """Try the releases that were asked for and nobody is at, also those whose worker was lost."""
    while work_next_release():
        pass
