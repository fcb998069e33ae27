"""Reads quantities of usage: many windows, of many meters, in one query."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

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

__all__ = ["NO_USAGE", "MeterReading", "Usage", "UsageRequest", "plain_usage_of", "reading_of", "usage_of"]


def usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The usage that each request asks for, by its key; a window without events has `NO_USAGE`. One query."""
    return _answer(requests, USAGE_STORE.usage)


def plain_usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The same, read off PostgreSQL's events one by one: what `usage_of` has to equal."""
    return _answer(requests, POSTGRESQL.plain_usage)


def _answer(
    requests: Iterable[UsageRequest],
    read: Callable[[Mapping[MeterReading, Sequence[Window]]], Mapping[int, Usage]],
) -> Mapping[int, Usage]:
    grouped: dict[MeterReading, list[UsageRequest]] = defaultdict(list)
    answer: dict[int, Usage] = {}
    for request in requests:
        answer[request.key] = NO_USAGE
        grouped[request.reading].append(request)
    answer.update(read({reading: windows_of(reading, asked) for reading, asked in grouped.items()}))
    return answer
