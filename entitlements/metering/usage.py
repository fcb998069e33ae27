"""Reads quantities of usage: many windows, of many meters, in one query."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from entitlements.metering.reading import (
    NO_USAGE,
    MeterReading,
    Usage,
    UsageRequest,
    reading_of,
    windows_of,
)
from entitlements.metering.store.plain import plain_select
from entitlements.metering.store.read import rolled_select

__all__ = ["NO_USAGE", "MeterReading", "Usage", "UsageRequest", "plain_usage_of", "reading_of", "usage_of"]


def usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The usage that each request asks for, by its key; a window without events has `NO_USAGE`. One query.

    Read off rollups where there are whole ones: the days and hours that a window holds all events of, and raw events
    for the hour that a boundary cuts.
    """
    return _answer(requests, rolled_select)


def plain_usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The same, read off the events one by one: what `usage_of` has to equal."""
    return _answer(requests, plain_select)


def _answer(requests: Iterable[UsageRequest], select: Any) -> Mapping[int, Usage]:
    grouped: dict[MeterReading, list[UsageRequest]] = defaultdict(list)
    answer: dict[int, Usage] = {}
    for request in requests:
        answer[request.key] = NO_USAGE
        grouped[request.reading].append(request)
    selects: list[str] = []
    params: list[Any] = []
    for reading, asked in grouped.items():
        windows = windows_of(reading, asked)
        if windows:
            sql, values = select(reading, windows)
            selects.append(sql)
            params.extend(values)
    if not selects:
        return answer
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), params)
        for key, quantity, events, unreadable in cursor.fetchall():
            answer[key] = Usage(quantity, events, unreadable)
    return answer
