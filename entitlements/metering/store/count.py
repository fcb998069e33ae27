"""Counts the events of windows off rollups and adds up nothing else: what years of days take to read is little then.

As in `read.py`, a bucket that a boundary cuts is looked at more closely: a day by its hours, an hour by its events.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from core.bulk import array_text, times_array
from entitlements.metering.meter_sql import NOT_REVERSED, path_parameter, value_in
from entitlements.metering.reading import MeterReading, Window

_OF_BUCKET = """
    sum(r.events) AS events, bool_and(r.first_at >= {w}.t0 AND r.last_at < {w}.t1) AS is_whole
"""
_OVERLAPS = "r.events > 0 AND r.last_at >= {w}.t0 AND r.first_at < {w}.t1"


def counted_select(reading: MeterReading, windows: Sequence[Window]) -> tuple[str, list[Any]]:
    """One meter's part of the query: key, no quantity, events, none unreadable; with its parameters."""
    keys, subjects, starts, ends = zip(*windows, strict=True)
    params: list[Any] = [array_text(keys), array_text(subjects, quoted=True), times_array(starts), times_array(ends)]
    params += [reading.meter_id, [path for path, _ in reading.filters]]
    params += 2 * [part for path, values in reading.filters for part in (path, list(values))]
    params.append(reading.event_type)
    params += [part for path, values in reading.filters for part in (path_parameter(path), list(values))]
    return _counted_sql(len(reading.filters)), params


@lru_cache(maxsize=256)
def _counted_sql(filters: int) -> str:
    kept = " AND r.groups ->> %s = ANY(%s::text[])" * filters
    filtered = f" AND {value_in('e.data')} = ANY(%s::text[])" * filters
    return f"""
        (WITH asked AS MATERIALIZED (
            SELECT * FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                WITH ORDINALITY AS w(key, subject, t0, t1, n)
        ), kept AS MATERIALIZED (
            SELECT id FROM entitlements_meterrollup
            WHERE meter_id = %s AND whole_at IS NOT NULL AND dropped_at IS NULL AND paths @> %s::text[]
            ORDER BY id DESC LIMIT 1
        ), day AS MATERIALIZED (
            SELECT w.n, r.start, {_OF_BUCKET.format(w="w")}
            FROM kept CROSS JOIN asked w JOIN entitlements_usagerollup r
                ON r.rollup_id = kept.id AND r.subject = w.subject AND r.grain = 24
                AND r.start > w.t0 - interval '1 day' AND r.start < w.t1
            WHERE {_OVERLAPS.format(w="w")}{kept}
            GROUP BY w.n, r.start
        ), hour AS MATERIALIZED (
            SELECT day.n, r.start, {_OF_BUCKET.format(w="w")}
            FROM kept CROSS JOIN day JOIN asked w ON w.n = day.n JOIN entitlements_usagerollup r
                ON r.rollup_id = kept.id AND r.subject = w.subject AND r.grain = 1
                AND r.start >= day.start AND r.start < day.start + interval '1 day'
            WHERE NOT day.is_whole AND {_OVERLAPS.format(w="w")}{kept}
            GROUP BY day.n, r.start
        )
        SELECT asked.key, 0::numeric, sum(part.events)::bigint, 0::bigint
        FROM (
            SELECT n, events FROM day WHERE is_whole
            UNION ALL
            SELECT n, events FROM hour WHERE is_whole
            UNION ALL
            SELECT w.n, e.events
            FROM (
                SELECT asked.n, asked.subject, greatest(asked.t0, hour.start) AS t0,
                    least(asked.t1, hour.start + interval '1 hour') AS t1
                FROM hour JOIN asked ON asked.n = hour.n WHERE NOT hour.is_whole
                UNION ALL
                SELECT n, subject, t0, t1 FROM asked WHERE NOT EXISTS (SELECT 1 FROM kept)
            ) AS w CROSS JOIN LATERAL (
                SELECT count(*) AS events FROM entitlements_usageevent e
                WHERE e.subject = w.subject AND e.type = %s AND e.time >= w.t0 AND e.time < w.t1{filtered}
                    AND {NOT_REVERSED.format(event="e")}
            ) AS e
        ) AS part JOIN asked ON asked.n = part.n
        GROUP BY asked.key)
    """
