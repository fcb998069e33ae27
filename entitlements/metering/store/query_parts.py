"""Reads the usage of all subjects off rollups, in parts that each lie in one window: days, hours and single events.

As in `read.py`, a bucket is taken whole unless a boundary lies between its first and last event: of what is asked for,
or of its windows in the time zone that they are asked in.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from psycopg import sql

from core.rest.times import FIRST_YEAR, LAST_YEAR
from entitlements.choices import Aggregation
from entitlements.metering.meter_sql import NOT_REVERSED, number_of
from entitlements.metering.store.read import part_of_event
from entitlements.metering.store.rollup_sql import DAY, HOUR, groups_of, value_of

# Before and after all times of events.
FIRST, LAST = datetime(FIRST_YEAR - 1, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 2, 1, 1, tzinfo=UTC)
_FIGURES = (
    "subject, groups, first_at, last_at, events, unreadable, sum, min, max, latest, latest_at, latest_id, value_key"
)


class Parts(NamedTuple):
    """What is asked of a meter: `unit` is that of its windows ("hour", "day", "month"; None: one for all)."""

    rollup: int
    event_type: str
    aggregation: str
    value_property: str | None
    paths: Sequence[str]
    unit: str | None
    zone: str
    start: datetime | None
    end: datetime | None
    subjects: Sequence[str] | None
    filters: Mapping[str, Sequence[str]]


def whole_rollup(meter_id: UUID, paths: Sequence[str]) -> int | None:
    """The number of the meter's rollup that is whole and tells these paths apart; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM entitlements_meterrollup
            WHERE meter_id = %s AND whole_at IS NOT NULL AND dropped_at IS NULL AND paths @> %s::text[]
            ORDER BY id DESC LIMIT 1
            """,
            [meter_id, list(paths)],
        )
        row = cursor.fetchone()
        return None if row is None else int(row[0])


def cuts_hours_before(asked: Parts, moment: datetime) -> bool:
    """Whether a boundary of what is asked for, or of its windows, cuts an hour that began before `moment`: only its
    events would say what lies on which side. One query."""
    clause, parameters = parts_of(asked)
    statement = sql.SQL("{clause} SELECT EXISTS (SELECT 1 FROM cut_hour WHERE start < %(moment)s)")
    with connection.cursor() as cursor:
        cursor.execute(statement.format(clause=clause), parameters | {"moment": moment})
        return bool(cursor.fetchone()[0])


def parts_of(asked: Parts) -> tuple[sql.Composed, dict[str, Any]]:
    """The WITH clause that makes the relation `part`, and its parameters. `first_at` of a part says its window."""
    parameters: dict[str, Any] = {
        "rollup": asked.rollup,
        "type": asked.event_type,
        "zone": asked.zone,
        "start": asked.start or FIRST,
        "end": asked.end or LAST,
        "subjects": None if asked.subjects is None else list(asked.subjects),
    }
    filters, filtered = [], []
    for number, (path, values) in enumerate(asked.filters.items()):
        parameters[f"values_{number}"] = list(values)
        any_of = sql.SQL("= ANY({})").format(sql.Placeholder(f"values_{number}"))
        filters.append(sql.SQL(" AND r.groups ->> {} {}").format(sql.Literal(path), any_of))
        filtered.append(sql.SQL(" AND {} {}").format(value_of(path, "e.data"), any_of))
    aggregation = Aggregation(asked.aggregation)
    one_window = "true"
    if asked.unit is not None:
        one_window = " = ".join(
            f"date_trunc('{asked.unit}', r.{moment}, %(zone)s)" for moment in ("first_at", "last_at")
        )
    clause = sql.SQL(
        f"""
        WITH bucket AS MATERIALIZED (
            SELECT r.*, (r.first_at >= %(start)s AND r.last_at < %(end)s AND {one_window}) AS is_whole
            FROM entitlements_usagerollup r
            WHERE r.rollup_id = %(rollup)s AND r.grain = {HOUR if asked.unit == "hour" else DAY} AND r.events > 0
                AND r.last_at >= %(start)s AND r.first_at < %(end)s {{chosen}}{{filters}}
        ), cut_bucket AS MATERIALIZED (
            SELECT DISTINCT subject, start, start + make_interval(hours => grain) AS until FROM bucket
            WHERE NOT is_whole
        ), hour AS MATERIALIZED (
            SELECT r.*, (r.first_at >= %(start)s AND r.last_at < %(end)s AND {one_window}) AS is_whole
            FROM cut_bucket cut JOIN entitlements_usagerollup r
                ON r.rollup_id = %(rollup)s AND r.subject = cut.subject AND r.grain = {HOUR}
                AND r.start >= cut.start AND r.start < cut.until
            WHERE r.events > 0 AND r.last_at >= %(start)s AND r.first_at < %(end)s{{filters}}
        ), cut_hour AS MATERIALIZED (
            SELECT DISTINCT subject, start FROM hour WHERE NOT is_whole
        ), part AS (
            SELECT {_FIGURES} FROM bucket
            WHERE NOT EXISTS (SELECT 1 FROM cut_bucket c WHERE c.subject = bucket.subject AND c.start = bucket.start)
            UNION ALL
            SELECT {_FIGURES} FROM hour
            WHERE NOT EXISTS (SELECT 1 FROM cut_hour c WHERE c.subject = hour.subject AND c.start = hour.start)
            UNION ALL
            SELECT subject, groups, time AS first_at, time AS last_at, {part_of_event(aggregation)}
            FROM (
                SELECT subject, groups, raw, time, id, {number_of(aggregation)} AS number
                FROM (
                    SELECT e.subject, e.time, e.id, {{groups}} AS groups, {{raw}} AS raw
                    FROM cut_hour c CROSS JOIN LATERAL (
                        SELECT e.subject, e.time, e.id, e.data FROM entitlements_usageevent e
                        WHERE e.subject = c.subject AND e.type = %(type)s
                            AND e.time >= greatest(c.start, %(start)s)
                            AND e.time < least(c.start + interval '1 hour', %(end)s){{filtered}}
                            AND {NOT_REVERSED.format(event="e")}
                        OFFSET 0
                    ) AS e
                    OFFSET 0
                ) AS event
            ) AS event
        )
        """
    ).format(
        chosen=sql.SQL("" if asked.subjects is None else "AND r.subject = ANY(%(subjects)s)"),
        filters=sql.SQL("").join(filters),
        filtered=sql.SQL("").join(filtered),
        groups=groups_of(asked.paths, "e.data"),
        raw=sql.SQL("NULL::text") if asked.value_property is None else value_of(asked.value_property, "e.data"),
    )
    return clause, parameters
