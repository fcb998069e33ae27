"""Reads quantities off usage events: many windows, of many meters, in one query."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from core.bulk import array_text, times_array
from customers.attribution import Attribution
from entitlements.choices import Aggregation
from entitlements.metering.meter_sql import FIGURES, number_of, path_parameter, unreadable_count, value_in
from entitlements.models import Feature

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class MeterReading:
    """How a feature's usage is read: its meter, narrowed by the feature's filters (dimension path -> values)."""

    event_type: str
    aggregation: str
    value_property: str | None
    event_from: datetime | None
    filters: tuple[tuple[str, tuple[str, ...]], ...]


class UsageRequest(NamedTuple):
    """Asks for the usage of `subjects` in all of `spans`, each `[start, end)` in UTC and apart from the others, read
    together by `reading`; `key` names it in the answer. A subject counts for the time in which it is attributed."""

    key: int
    reading: MeterReading
    subjects: Sequence[Attribution]
    spans: Sequence[tuple[datetime, datetime]]


class Usage(NamedTuple):
    """A window's quantity, how many events it came from, and how many of those hold no readable value."""

    quantity: Decimal
    events: int
    unreadable: int


NO_USAGE = Usage(ZERO, 0, 0)


def reading_of(feature: Feature) -> MeterReading | None:
    """How `feature` is metered, or None when its quantities are reported. Needs `feature.meter` loaded."""
    meter = feature.meter
    if meter is None:
        return None
    filters = tuple(
        (meter.group_by[dimension], tuple(values)) for dimension, values in sorted(feature.meter_filters.items())
    )
    return MeterReading(meter.event_type, meter.aggregation, meter.value_property, meter.event_from, filters)


def usage_of(requests: Iterable[UsageRequest]) -> Mapping[int, Usage]:
    """The usage that each request asks for, by its key; a window without events has `NO_USAGE`. One query."""
    grouped: dict[MeterReading, list[UsageRequest]] = defaultdict(list)
    answer: dict[int, Usage] = {}
    for request in requests:
        answer[request.key] = NO_USAGE
        grouped[request.reading].append(request)
    if not grouped:
        return answer
    selects: list[str] = []
    params: list[Any] = []
    for reading, asked in grouped.items():
        sql, values = _select(reading, asked)
        selects.append(sql)
        params.extend(values)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), params)
        for key, quantity, events, unreadable in cursor.fetchall():
            answer[key] = Usage(quantity, events, unreadable)
    return answer


def _select(reading: MeterReading, asked: Sequence[UsageRequest]) -> tuple[str, list[Any]]:
    """One meter's part of the query. A window of several subjects appears once for each, under one key."""
    windows = [
        (request.key, subject.key, *span)
        for request in asked
        for subject in request.subjects
        for start, end in request.spans
        if (span := subject.within(max(start, reading.event_from or start), end)) is not None
    ]
    keys, subjects, starts, ends = zip(*windows, strict=True) if windows else ((), (), (), ())
    params: list[Any] = []
    raw = "NULL::text"
    if reading.value_property is not None:
        raw = value_in("e.data")
        params.append(path_parameter(reading.value_property))
    params += [array_text(keys), array_text(subjects, quoted=True)]
    params += [times_array(starts), times_array(ends), reading.event_type]
    conditions = ""
    for path, values in reading.filters:
        conditions += f" AND {value_in('e.data')} = ANY(%s::text[])"
        params += [path_parameter(path), list(values)]
    aggregation = Aggregation(reading.aggregation)
    # OFFSET 0 keeps the planner from pulling the subquery up, which would follow the path once for each use of `raw`.
    sql = f"""
        SELECT key, COALESCE({FIGURES[aggregation]}, 0), count(*), {unreadable_count(aggregation)}
        FROM (
            SELECT key, raw, time, id, {number_of(aggregation)} AS number
            FROM (
                SELECT w.key, e.time, e.id, {raw} AS raw
                FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS w(key, subject, t0, t1)
                JOIN entitlements_usageevent e
                  ON e.subject = w.subject AND e.type = %s AND e.time >= w.t0 AND e.time < w.t1{conditions}
                OFFSET 0
            ) AS event
        ) AS figure
        GROUP BY key
    """
    return sql, params
