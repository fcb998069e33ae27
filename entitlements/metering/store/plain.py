"""Reads usage off the events themselves, one by one. It is what every other way of reading has to equal."""

from collections.abc import Sequence
from typing import Any

from core.bulk import array_text, times_array
from entitlements.choices import Aggregation
from entitlements.metering.meter_sql import FIGURES, NOT_REVERSED, number_of, path_parameter, unreadable_count, value_in
from entitlements.metering.reading import MeterReading, Window


def plain_select(reading: MeterReading, windows: Sequence[Window]) -> tuple[str, list[Any]]:
    """One meter's part of the query: key, quantity, events, unreadable; with its parameters."""
    keys, subjects, starts, ends = zip(*windows, strict=True)
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
                WHERE {NOT_REVERSED.format(event="e")}
                OFFSET 0
            ) AS event
        ) AS figure
        GROUP BY key
    """
    return sql, params
