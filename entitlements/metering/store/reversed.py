"""Counts the events that were taken back of what windows hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from core.bulk import array_text, times_array
from entitlements.metering.meter_sql import path_parameter, value_in
from entitlements.metering.reading import MeterReading, Window


def count_reversed(asked: Mapping[MeterReading, Sequence[Window]], since: Mapping[int, datetime]) -> dict[int, int]:
    """By key, how many events of its windows were taken back at the moment that `since` has for it, or after. One
    query."""
    selects: list[str] = []
    params: list[Any] = []
    for reading, windows in asked.items():
        if not windows:
            continue
        keys, subjects, starts, ends = zip(*windows, strict=True)
        conditions = ""
        filters: list[Any] = []
        for path, values in reading.filters:
            conditions += f" AND {value_in('e.data')} = ANY(%s::text[])"
            filters += [path_parameter(path), list(values)]
        selects.append(
            f"""
            SELECT w.key, count(*)
            FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
                AS w(key, subject, t0, t1, since)
            JOIN entitlements_eventreversal v ON v.subject = w.subject AND v.type = %s
                AND v.time >= w.t0 AND v.time < w.t1 AND v.created_at >= w.since
            JOIN entitlements_usageevent e ON e.id = v.event_id AND e.time = v.time
            WHERE true{conditions} GROUP BY w.key
            """
        )
        params += [array_text(keys), array_text(subjects, quoted=True), times_array(starts), times_array(ends)]
        params += [times_array([since[key] for key in keys]), reading.event_type, *filters]
    if not selects:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), params)
        return dict(cursor.fetchall())
