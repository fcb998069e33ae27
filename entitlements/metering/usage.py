"""Reads quantities of usage: many windows, of many meters, in one query."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from entitlements.metering.reading import (
    NO_USAGE,
    MeterReading,
    Usage,
    UsageRequest,
    Window,
    reading_of,
    windows_of,
)
from entitlements.metering.store.chosen import USAGE_STORE
from entitlements.metering.store.postgresql import POSTGRESQL
from entitlements.metering.store.reversed import count_reversed

__all__ = [
    "NO_USAGE",
    "MeterReading",
    "Usage",
    "UsageRequest",
    "plain_usage_of",
    "reading_of",
    "reversed_since",
    "usage_of",
]


def usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The usage that each request asks for, by its key; a window without events has `NO_USAGE`. One query."""
    return _answer(requests, USAGE_STORE.usage)


def plain_usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The same, read off PostgreSQL's events one by one: what `usage_of` has to equal."""
    return _answer(requests, POSTGRESQL.plain_usage)


def reversed_since(requests: Iterable[UsageRequest], since: Mapping[int, datetime]) -> Mapping[int, int]:
    """How many events of what each request asks for were taken back at the moment that `since` has for its key, or
    after. One query."""
    asked = list(requests)
    found = count_reversed(_grouped_windows(asked), since)
    return {request.key: found.get(request.key, 0) for request in asked}


def _grouped_windows(requests: Iterable[UsageRequest]) -> dict[MeterReading, list[Window]]:
    grouped: dict[MeterReading, list[UsageRequest]] = defaultdict(list)
    for request in requests:
        grouped[request.reading].append(request)
    return {reading: windows_of(reading, asked) for reading, asked in grouped.items()}


def _answer(
    requests: Iterable[UsageRequest],
    read: Callable[[Mapping[MeterReading, Sequence[Window]]], Mapping[int, Usage]],
) -> Mapping[int, Usage]:
    asked = list(requests)
    answer: dict[int, Usage] = {request.key: NO_USAGE for request in asked}
    answer.update(read(_grouped_windows(asked)))
    return answer
