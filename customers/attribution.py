"""Owns whose usage is whose, and when: a customer's subjects with the time in which each is theirs. Pure."""

from datetime import datetime
from typing import NamedTuple


class Attribution(NamedTuple):
    """The usage of the subject `key` in `[start, end)`, UTC; None: without start, without end."""

    key: str
    start: datetime | None = None
    end: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    def within(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """The part of `[start, end)` in which the subject is attributed; None where there is none."""
        start = start if self.start is None else max(start, self.start)
        end = end if self.end is None else min(end, self.end)
        return (start, end) if start < end else None


def current_keys(attributions: tuple[Attribution, ...]) -> tuple[str, ...]:
    """The subjects that a customer has now."""
    return tuple(attribution.key for attribution in attributions if attribution.end is None)
