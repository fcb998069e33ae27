"""The mark that beat and worker leave together, for `manage.py doctor` and the dashboard."""

from datetime import datetime, timedelta

from django.core.cache import cache

from core import clock

EVERY_SECONDS = 10
LATE_AFTER = timedelta(seconds=45)

_KEY = "heartbeat"
_KEPT_SECONDS = 7 * 24 * 3600


def mark() -> None:
    """Leave the mark, with the real time: a test clock that stands still is no dead beat."""
    cache.set(_KEY, clock.real_now().isoformat(), _KEPT_SECONDS)


def last() -> datetime | None:
    """When the mark was left last, in UTC; None when it never was, or not within a week."""
    found = cache.get(_KEY)
    return datetime.fromisoformat(found) if found else None
