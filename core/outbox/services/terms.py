"""On which terms a topic's messages are delivered: when they are tried again, how often, and what is held back."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta


class Later(Exception):
    """Raised by who sends a message that was not sent now, and counts as no attempt: it is due again at `until`."""

    def __init__(self, reason: str, *, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class Refused(Exception):
    """Raised by who sends a message that its receiver did not take: an attempt. The next one is made at `until` at the
    earliest; None: when it is planned."""

    def __init__(self, reason: str, *, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.until = until


class Never(Exception):
    """Raised by who sends a message that can't be sent at all: it is given up at once."""


def doubled(attempts: int) -> timedelta:
    """The wait after so many attempts: a minute after the first, then twice as long each time."""
    return timedelta(seconds=30 * 2**attempts)


def nothing_held() -> Collection[uuid.UUID]:
    """For topics all of whose messages go to one receiver, such as our own mail server."""
    return ()


@dataclass(frozen=True, slots=True)
class Terms:
    """`wait` says how long after its n-th attempt a message is tried again, `max_attempts` when no more. `held` names
    the lanes (see `OutboxMessage`) whose messages nobody may claim at this moment, but for those that have been due for
    `held_for`: who sends them has to say what becomes of them."""

    max_attempts: int = 10
    wait: Callable[[int], timedelta] = doubled
    held: Callable[[], Collection[uuid.UUID]] = nothing_held
    held_for: timedelta = timedelta(days=1)
