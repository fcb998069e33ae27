"""The one source of "now". Pure code never asks it: times are handed in.

A test clock, where allowed, freezes the time for one request or task through `frozen_at`; see `core.testclock`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen: ContextVar[datetime | None] = ContextVar("frozen", default=None)


def now() -> datetime:
    """The current time, in UTC; the frozen one inside `frozen_at`."""
    return _frozen.get() or real_now()


def real_now() -> datetime:
    """The wall clock, in UTC, whatever the test clock says: for signatures, sessions and key expiry."""
    return datetime.now(UTC)


def is_frozen() -> bool:
    """Whether `now()` answers a frozen time."""
    return _frozen.get() is not None


@contextmanager
def frozen_at(moment: datetime | None) -> Iterator[None]:
    """Make `now()` answer `moment` inside the block (None: real time)."""
    token = _frozen.set(moment)
    try:
        yield
    finally:
        _frozen.reset(token)
