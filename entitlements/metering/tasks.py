"""The scheduled work of metering. Each task calls one verb; all state is in the database."""

from datetime import timedelta

from celery import shared_task

from core import clock
from core.locks import only_one
from entitlements.metering.store.build import build_rollups as build_rollups_service
from entitlements.metering.store.partitions import make_months

_BUILDING = 0x726F6C6C  # "roll": one worker at a time
_AT_ONCE = timedelta(seconds=20)


@shared_task
def make_event_months() -> None:
    """Make the months of events ahead of time."""
    make_months(max(clock.now(), clock.real_now()))


@shared_task
def build_rollups() -> None:
    """Build rollups of meters that came after their events, for up to 20 seconds; the next tick goes on."""
    with only_one(_BUILDING) as mine:
        if mine:
            build_rollups_service(until=clock.real_now() + _AT_ONCE)
