"""When a webhook is tried again, and when an endpoint is left alone. Pure: chance is handed in."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

WAITS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000)
)
"""After each attempt but the last: ten attempts in about two days."""
MAX_ATTEMPTS: Final = len(WAITS) + 1
GIVE_UP_AFTER: Final = timedelta(days=3)
"""What an endpoint that is left alone keeps waiting for so long is given up, however few attempts were made."""
_SPREAD: Final = 0.2

FAILURES_TO_OPEN: Final = 5
"""So many failures in a row, of whichever messages, and the endpoint is left alone for a while."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)

LONGEST_ASKED = timedelta(days=1)
"""An endpoint that asks to be left alone for longer is left alone for so long."""
ASKS_FOR_TIME: Final = frozenset({429, 503})
"""Answers whose `Retry-After` is about all messages, and not only about this one."""
GONE: Final = 410
"""The endpoint wants nothing any more."""

# Answers that a living endpoint gives to one message that it doesn't like: they say nothing of the next one.
_ABOUT_THE_MESSAGE: Final = frozenset({400, 409, 413, 422})


def wait_after(attempts: int, *, chance: float) -> timedelta:
    """The wait after so many attempts; `chance` in [0, 1) spreads it by a fifth to either side, so that what failed
    together does not come back together."""
    planned = WAITS[min(attempts, len(WAITS)) - 1]
    return planned * (1 - _SPREAD + 2 * _SPREAD * chance)


def pause_after(openings: int) -> timedelta:
    """How long an endpoint is left alone that has failed its trial `openings` times before: twice as long each time, an
    hour at most."""
    doubled: int = 2 ** min(openings, 10)
    return min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)


def asked_wait(retry_after: str | None, now: datetime) -> timedelta | None:
    """How long an endpoint asks to be left alone by `Retry-After`, in seconds or until a date, a day at most; None
    where it doesn't, or says something else."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        # As many digits as anybody likes.
        return LONGEST_ASKED if len(text) > 6 else min(timedelta(seconds=int(text)), LONGEST_ASKED)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": in UTC, wherever that was written
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST_ASKED)


def is_success(status: int) -> bool:
    """Whether the endpoint took the message."""
    return 200 <= status < 300


def speaks_against_endpoint(status: int | None) -> bool:
    """Whether an attempt that failed, with this answer or (None) without one, says that the endpoint is not well."""
    return status not in _ABOUT_THE_MESSAGE
