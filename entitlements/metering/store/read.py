"""Reads usage off rollups: whole days, whole hours where a boundary cuts a day, and raw events where one cuts an hour.

A boundary cuts a bucket only where events of it lie on both sides: the times of the first and last one say so. Where no
rollup is whole, all is read off the events.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from core.bulk import array_text, times_array
from entitlements.choices import Aggregation
from entitlements.metering.meter_sql import NOT_REVERSED, number_of, path_parameter, value_in
from entitlements.metering.reading import MeterReading, Window
from entitlements.metering.store.rollup_sql import NO_KEY, value_key

# The figure of many parts: hours, days and single events, which are told in the same columns.
PART_FIGURES: Final = {
    Aggregation.SUM: "sum(sum)",
    Aggregation.COUNT: "sum(events)::numeric",
    Aggregation.UNIQUE_COUNT: f"count(DISTINCT value_key) FILTER (WHERE value_key <> '{NO_KEY}')::numeric",
    Aggregation.AVG: "sum(sum) / NULLIF(sum(events - unreadable), 0)",
    Aggregation.MIN: "min(min)",
    Aggregation.MAX: "max(max)",
    Aggregation.LATEST: (
        "(array_agg(latest ORDER BY latest_at DESC, latest_id DESC) FILTER (WHERE latest_id IS NOT NULL))[1]"
    ),
}
_FIGURES = "events, unreadable, sum, min, max, latest, latest_at, latest_id, value_key"
_OVERLAPS = "r.events > 0 AND r.last_at >= {w}.t0 AND r.first_at < {w}.t1"
_IS_WHOLE = "r.first_at >= {w}.t0 AND r.last_at < {w}.t1 AS is_whole"


def part_of_event(aggregation: Aggregation) -> str:
    """A single event in the columns of a part, from `raw`, `number`, `time` and `id`."""
    unreadable = {Aggregation.COUNT: "0", Aggregation.UNIQUE_COUNT: "(raw IS NULL)::int"}.get(
        aggregation, "(number IS NULL)::int"
    )
    key = value_key("raw") if aggregation == Aggregation.UNIQUE_COUNT else f"'{NO_KEY}'::uuid"
    return (
        f"1 AS events, {unreadable} AS unreadable, number AS sum, number AS min, number AS max, number AS latest, "
        f"time AS latest_at, CASE WHEN number IS NOT NULL THEN id END AS latest_id, {key} AS value_key"
    )


def rolled_select(reading: MeterReading, windows: Sequence[Window]) -> tuple[str, list[Any]]:
    """One meter's part of the query: key, quantity, events, unreadable; with its parameters."""
    keys, subjects, starts, ends = zip(*windows, strict=True)
    params: list[Any] = [array_text(keys), array_text(subjects, quoted=True), times_array(starts), times_array(ends)]
    params += [reading.meter_id, [path for path, _ in reading.filters]]
    params += 2 * [part for path, values in reading.filters for part in (path, list(values))]
    if reading.value_property is not None:
        params.append(path_parameter(reading.value_property))
    params.append(reading.event_type)
    for path, values in reading.filters:
        params += [path_parameter(path), list(values)]
    return _rolled_sql(
        Aggregation(reading.aggregation), len(reading.filters), reading.value_property is not None
    ), params


@lru_cache(maxsize=256)
def _rolled_sql(aggregation: Aggregation, filters: int, reads_value: bool) -> str:
    kept = " AND r.groups ->> %s = ANY(%s::text[])" * filters
    filtered = f" AND {value_in('e.data')} = ANY(%s::text[])" * filters
    raw = value_in("e.data") if reads_value else "NULL::text"
    # Whoever counts what a meter reads otherwise finds nothing unreadable.
    unreadable = "0::bigint" if aggregation == Aggregation.COUNT else "sum(unreadable)::bigint"
    # Each OFFSET 0 and MATERIALIZED keeps the planner from following a path, or reading rollups, once for each use. The
    # LATERAL keeps it from reading all events where most are of one subject: it does not see how short the hours are.
    return f"""
        (WITH asked AS MATERIALIZED (
            SELECT * FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                WITH ORDINALITY AS w(key, subject, t0, t1, n)
        ), kept AS MATERIALIZED (
            SELECT id FROM entitlements_meterrollup
            WHERE meter_id = %s AND whole_at IS NOT NULL AND dropped_at IS NULL AND paths @> %s::text[]
            ORDER BY id DESC LIMIT 1
        ), day AS MATERIALIZED (
            SELECT w.n, w.key, w.t0, w.t1, r.*, {_IS_WHOLE.format(w="w")}
            FROM kept CROSS JOIN asked w JOIN entitlements_usagerollup r
                ON r.rollup_id = kept.id AND r.subject = w.subject AND r.grain = 24
                AND r.start > w.t0 - interval '1 day' AND r.start < w.t1
            WHERE {_OVERLAPS.format(w="w")}{kept}
        ), cut_day AS MATERIALIZED (
            SELECT DISTINCT n, key, rollup_id, subject, t0, t1, start FROM day WHERE NOT is_whole
        ), hour AS MATERIALIZED (
            SELECT day.n, day.key, day.t0, day.t1, r.*, {_IS_WHOLE.format(w="day")}
            FROM cut_day AS day JOIN entitlements_usagerollup r
                ON r.rollup_id = day.rollup_id AND r.subject = day.subject AND r.grain = 1
                AND r.start >= day.start AND r.start < day.start + interval '1 day'
            WHERE {_OVERLAPS.format(w="day")}{kept}
        ), cut_hour AS MATERIALIZED (
            SELECT DISTINCT n, key, subject, t0, t1, start FROM hour WHERE NOT is_whole
        )
        SELECT key, COALESCE({PART_FIGURES[aggregation]}, 0), sum(events)::bigint, {unreadable}
        FROM (
            SELECT key, {_FIGURES} FROM day
            WHERE NOT EXISTS (SELECT 1 FROM cut_day AS cut WHERE cut.n = day.n AND cut.start = day.start)
            UNION ALL
            SELECT key, {_FIGURES} FROM hour
            WHERE NOT EXISTS (SELECT 1 FROM cut_hour AS cut WHERE cut.n = hour.n AND cut.start = hour.start)
            UNION ALL
            SELECT key, {part_of_event(aggregation)}
            FROM (
                SELECT key, raw, time, id, {number_of(aggregation)} AS number
                FROM (
                    SELECT w.key, e.time, e.id, {raw} AS raw
                    FROM (
                        SELECT key, subject, greatest(t0, start) AS t0, least(t1, start + interval '1 hour') AS t1
                        FROM cut_hour
                        UNION ALL
                        SELECT key, subject, t0, t1 FROM asked WHERE NOT EXISTS (SELECT 1 FROM kept)
                    ) AS w CROSS JOIN LATERAL (
                        SELECT e.time, e.id, e.data FROM entitlements_usageevent e
                        WHERE e.subject = w.subject AND e.type = %s AND e.time >= w.t0 AND e.time < w.t1{filtered}
                            AND {NOT_REVERSED.format(event="e")}
                        OFFSET 0
                    ) AS e
                    OFFSET 0
                ) AS event
            ) AS event
        ) AS part
        GROUP BY key)
    """
