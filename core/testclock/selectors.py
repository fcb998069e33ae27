"""Reads of the test clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings

from core import clock
from core.testclock.models import ClockSetting


def stored_time() -> datetime | None:
    """What the test clock is set to; None where it is not allowed or not set. One query where it is allowed."""
    if not settings.BILLING_TEST_CLOCK:
        return None
    return ClockSetting.objects.values_list("now", flat=True).first()


@contextmanager
def on_the_clock() -> Iterator[None]:
    """Run the block at the stored time: the frame of every request and task.

    A time that is already frozen (by a caller that passes its own) stays.
    """
    if clock.is_frozen():
        yield
        return
    with clock.frozen_at(stored_time()):
        yield


def clock_advances() -> bool:
    """Whether the test clock is on its way: it then runs everything itself, in order of time."""
    return ClockSetting.objects.filter(advancing_to__isnull=False).exists()
