"""Owns how events become rollups in SQL: what a rollup reads from an event, what the events of a bucket come to, and
how two figures of one bucket become one. Ingest, build and proof share it, so that none can count differently."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from psycopg import sql

from entitlements.choices import Aggregation
from entitlements.metering.json_path import steps
from entitlements.metering.meter_sql import number_of
from entitlements.models import MeterRollup

HOUR, DAY = 1, 24
NO_KEY: Final = uuid.UUID(int=0)

# 128 bits of SHA-256: what tells texts of any length apart in an index.
_KEY = "encode(substring(sha256(convert_to({text}, 'UTF8')) for 16), 'hex')::uuid"
_NO_KEY = f"'{NO_KEY}'::uuid"
BUCKETS = (
    "(VALUES (1::smallint, date_bin('1 hour', time, 'epoch')), (24::smallint, date_bin('1 day', time, 'epoch')))"
    " AS bucket(grain, start)"
)
KEY_COLUMNS: Final = "rollup_id, subject, grain, start, groups_key, value_key"
COLUMNS: Final = (
    f"{KEY_COLUMNS}, groups, events, unreadable, sum, min, max, latest, latest_at, latest_id, first_at, last_at"
)
# The figures of several rows of rollups as those of one.
TOGETHER: Final = """
    sum(events)::bigint AS events, sum(unreadable)::bigint AS unreadable, sum(sum) AS sum,
    min(min) AS min, max(max) AS max,
    (array_agg(latest ORDER BY latest_at DESC, latest_id DESC) FILTER (WHERE latest_id IS NOT NULL))[1] AS latest,
    max(latest_at) AS latest_at,
    (array_agg(latest_id ORDER BY latest_at DESC, latest_id DESC) FILTER (WHERE latest_id IS NOT NULL))[1]
        AS latest_id,
    min(first_at) AS first_at, max(last_at) AS last_at
"""


class Rolled(NamedTuple):
    """A rollup as SQL needs to know it."""

    id: int
    event_type: str
    aggregation: str
    value_property: str | None
    paths: tuple[str, ...]
    watermark: int = 0
    built_to: datetime | None = None


def rolled(rollup: MeterRollup) -> Rolled:
    """The rollup in that form; needs `rollup.meter` loaded."""
    meter = rollup.meter
    return Rolled(
        rollup.id,
        meter.event_type,
        meter.aggregation,
        meter.value_property,
        tuple(rollup.paths),
        rollup.watermark,
        rollup.built_to,
    )


def text_literal(text: str) -> sql.Composable:
    """The text within a statement that has parameters."""
    return sql.SQL(sql.Literal(text).as_string().replace("%", "%%"))


def value_of(path: str, data: str = "data") -> sql.Composed:
    """The text at `path` in an event's data."""
    return sql.SQL(f"{data} #>> {{}}::text[]").format(sql.Literal("{" + ",".join(steps(path)) + "}"))


def groups_of(paths: Sequence[str], data: str = "data") -> sql.Composable:
    """An event's values at the paths, as an object of texts; NULL where there are no paths."""
    if not paths:
        return sql.SQL("NULL::jsonb")
    pairs = sql.SQL(", ").join(sql.SQL("{}, {}").format(sql.Literal(path), value_of(path, data)) for path in paths)
    return sql.SQL("jsonb_build_object({})").format(pairs)


def value_key(raw: str) -> str:
    """What stands for a counted value: the key of none where there is none."""
    return f"CASE WHEN {raw} IS NULL THEN {_NO_KEY} ELSE {_KEY.format(text=raw)} END"


def groups_key(groups: str) -> str:
    """What stands for a combination of values, a jsonb: the key of none where there is none."""
    return f"CASE WHEN {groups} IS NULL THEN {_NO_KEY} ELSE {_KEY.format(text=f'{groups}::text')} END"


def figures_of(rollups: Iterable[Rolled], *, buckets: str = BUCKETS) -> sql.Composed:
    """The rows of the rollups that the events in the relation `batch` come to, one for each bucket and combination of
    values. `batch` has `id, type, subject, time, data` of events; each rollup takes those of its type. There is one at
    least."""
    asked = list(rollups)
    parts = sql.SQL(" UNION ALL ").join(_readings(rollup) for rollup in asked)
    latest = any(rollup.aggregation == Aggregation.LATEST for rollup in asked)
    return sql.SQL(
        """
        SELECT rollup_id, subject, grain, start,
            {groups_key} AS groups_key,
            CASE WHEN counted IS NULL THEN {none} ELSE {value_key} END AS value_key,
            groups, events, unreadable, sum, min, max, latest, latest_at, latest_id, first_at, last_at
        FROM (
            SELECT rollup_id, subject, grain, start, groups, counted, count(*) AS events,
                count(*) FILTER (WHERE is_unreadable) AS unreadable, sum(number) AS sum, min(number) AS min,
                max(number) AS max, {latest}, min(time) AS first_at, max(time) AS last_at
            FROM ({parts}) AS reading CROSS JOIN LATERAL {buckets}
            GROUP BY rollup_id, subject, grain, start, groups, counted
        ) AS figure
        """
    ).format(
        none=sql.SQL(_NO_KEY),
        groups_key=sql.SQL(groups_key("groups")),
        value_key=sql.SQL(_KEY.format(text="counted")),
        latest=sql.SQL(_LATEST if latest else _NO_LATEST),
        parts=parts,
        buckets=sql.SQL(buckets),
    )


_LATEST = ", ".join(
    f"(array_agg({what} ORDER BY time DESC, id DESC) FILTER (WHERE is_latest AND number IS NOT NULL))[1] AS {name}"
    for what, name in (("number", "latest"), ("time", "latest_at"), ("id", "latest_id"))
)
_NO_LATEST = "NULL::numeric AS latest, NULL::timestamptz AS latest_at, NULL::uuid AS latest_id"


def _readings(rollup: Rolled) -> sql.Composed:
    """Each event of the batch as one rollup reads it."""
    aggregation = Aggregation(rollup.aggregation)
    unique = aggregation == Aggregation.UNIQUE_COUNT
    raw: sql.Composable = sql.SQL("NULL::text")
    if rollup.value_property is not None:
        raw = value_of(rollup.value_property)
    # COUNT reads nothing, so that nothing is unreadable to it.
    unreadable = {Aggregation.COUNT: "false", Aggregation.UNIQUE_COUNT: "raw IS NULL"}.get(
        aggregation, "number IS NULL"
    )
    return sql.SQL(
        """
        SELECT {id}::int AS rollup_id, subject, time, id, groups, number, {counted} AS counted,
            {unreadable} AS is_unreadable, {is_latest}::boolean AS is_latest
        FROM (
            SELECT subject, time, id, groups, raw, {number} AS number
            FROM (SELECT subject, time, id, {groups} AS groups, {raw} AS raw FROM batch WHERE type = {type} OFFSET 0)
                AS event
        ) AS event
        """
    ).format(
        id=sql.Literal(rollup.id),
        counted=sql.SQL("raw" if unique else "NULL::text"),
        unreadable=sql.SQL(unreadable),
        is_latest=sql.Literal(aggregation == Aggregation.LATEST),
        number=sql.SQL(number_of(aggregation)),
        groups=groups_of(rollup.paths),
        raw=raw,
        type=text_literal(rollup.event_type),
    )


def add_to_rollups(before: sql.Composable, figures: sql.Composable) -> sql.Composed:
    """The statement that adds figures to what the rollups have, in the order of their keys: who writes the same
    buckets at one time queues up. `before` is its WITH clause."""
    return sql.SQL(
        f"""
        {{before}}
        INSERT INTO entitlements_usagerollup AS r ({COLUMNS}, for_thresholds, for_late_usage)
        SELECT {COLUMNS}, grain = {HOUR}, grain = {HOUR} FROM ({{figures}}) AS figure
        ORDER BY {KEY_COLUMNS}
        ON CONFLICT ({KEY_COLUMNS}) DO UPDATE SET
            events = r.events + excluded.events,
            unreadable = r.unreadable + excluded.unreadable,
            sum = COALESCE(r.sum + excluded.sum, r.sum, excluded.sum),
            min = LEAST(r.min, excluded.min),
            max = GREATEST(r.max, excluded.max),
            latest = CASE WHEN {_NEWER} THEN excluded.latest ELSE r.latest END,
            latest_id = CASE WHEN {_NEWER} THEN excluded.latest_id ELSE r.latest_id END,
            latest_at = CASE WHEN {_NEWER} THEN excluded.latest_at ELSE r.latest_at END,
            first_at = LEAST(r.first_at, excluded.first_at),
            last_at = GREATEST(r.last_at, excluded.last_at),
            for_thresholds = excluded.for_thresholds,
            for_late_usage = excluded.for_late_usage
        """
    ).format(before=before, figures=figures)


_NEWER = (
    "COALESCE((excluded.latest_at, excluded.latest_id) > (r.latest_at, r.latest_id), excluded.latest_id IS NOT NULL)"
)
