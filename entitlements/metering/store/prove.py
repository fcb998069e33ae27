"""Proves that rollups equal the events beneath, bucket by bucket, all figures of each."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Min
from psycopg import sql

from entitlements.metering.meter_sql import NOT_REVERSED
from entitlements.metering.store.build import counted_by
from entitlements.metering.store.partitions import kept_since
from entitlements.metering.store.rollup_sql import COLUMNS, KEY_COLUMNS, Rolled, figures_of, rolled
from entitlements.models import MeterRollup, UsageEvent, UsageRollup

_DAY = timedelta(days=1)
_AT_ONCE = 2_000


class Difference(NamedTuple):
    """A bucket whose rollup says something else than its events: `kept` and `counted` are numbers of events."""

    rollup: int
    meter: str
    subject: str
    grain: int
    start: datetime
    kept: int
    counted: int


def days_of(start: datetime | None = None, end: datetime | None = None) -> Iterator[datetime]:
    """The days in UTC that have events or rollups, in `[start, end)`, of the time of which events are kept; one query a
    day."""
    kept = kept_since()
    day = start if kept is None or (start is not None and start > kept) else kept
    while True:
        events, rollups = UsageEvent.objects.all(), UsageRollup.objects.filter(grain=24)
        if day is not None:
            events, rollups = events.filter(time__gte=day), rollups.filter(start__gte=day)
        firsts = (events.aggregate(first=Min("time"))["first"], rollups.aggregate(first=Min("start"))["first"])
        first = min((moment for moment in firsts if moment is not None), default=None)
        if first is None or (end is not None and first >= end):
            return
        found = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        yield found
        day = found + _DAY


def differences(day: datetime, *, subjects: Sequence[str] | None = None) -> Iterator[Difference]:
    """Where the rollups of `day` differ from its events; only of these subjects, where any are named. One query for
    each rollup, in one snapshot, whose rows come as they are asked for, and stay what they were."""
    for row in MeterRollup.objects.filter(dropped_at=None).select_related("meter").order_by("id"):
        yield from _of_rollup(rolled(row), row.meter.key, day, subjects)


def _of_rollup(rollup: Rolled, meter: str, day: datetime, subjects: Sequence[str] | None) -> Iterator[Difference]:
    chosen = "" if subjects is None else " AND {name}.subject = ANY(%(subjects)s)"
    # What is kept, with zeros left out: a bucket whose events were all taken back stays, empty.
    statement = sql.SQL(
        f"""
        WITH batch AS MATERIALIZED (
            SELECT e.id, e.type, e.subject, e.time, e.data FROM entitlements_usageevent e
            WHERE e.type = %(type)s AND e.time >= %(start)s AND e.time < %(end)s AND {{counted}}
                AND {NOT_REVERSED.format(event="e")}{chosen.format(name="e")}
        ), counted AS (SELECT {COLUMNS} FROM ({{figures}}) AS figure),
        kept AS (
            SELECT {COLUMNS} FROM entitlements_usagerollup r
            WHERE rollup_id = %(rollup)s AND start >= %(start)s AND start < %(end)s AND events > 0
                {chosen.format(name="r")}
        )
        SELECT subject, grain, start, sum(kept), sum(counted) FROM (
            SELECT {KEY_COLUMNS}, events AS kept, 0 AS counted FROM (TABLE kept EXCEPT TABLE counted) AS more
            UNION ALL
            SELECT {KEY_COLUMNS}, 0, events FROM (TABLE counted EXCEPT TABLE kept) AS less
        ) AS apart GROUP BY subject, grain, start ORDER BY subject, start, grain
        """
    ).format(counted=counted_by(rollup), figures=figures_of([rollup]))
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            statement.as_string(),
            {
                "type": rollup.event_type,
                "start": day,
                "end": day + _DAY,
                "rollup": rollup.id,
                "subjects": None if subjects is None else list(subjects),
            },
        )
        while rows := cursor.fetchmany(_AT_ONCE):
            for subject, grain, start, kept, counted in rows:
                yield Difference(rollup.id, meter, subject, grain, start, int(kept), int(counted))


def sample(size: int) -> dict[datetime, list[str]]:
    """Days with subjects that have rollups or events then, about `size` of each kind: all of them where there are no
    more than that, others every time where there are. Two queries that read no more than they return."""
    found: dict[datetime, list[str]] = {}
    kept = kept_since()
    with connection.cursor() as cursor:
        for table, moment in (("entitlements_usagerollup", "start"), ("entitlements_usageevent", "time")):
            # From the planner's estimate: how much of the table makes ten times the size, which many rows share.
            cursor.execute(
                "SELECT sum(greatest(reltuples, 0)) FROM pg_class WHERE oid = %s::regclass OR oid IN "
                "(SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass)",
                [table, table],
            )
            share = min(100.0, 1000.0 * size / max(cursor.fetchone()[0], 1))
            cursor.execute(
                f"SELECT DISTINCT date_bin('1 day', {moment}, 'epoch'), subject "
                f"FROM {table} TABLESAMPLE SYSTEM ({share}) LIMIT %s",
                [size],
            )
            for day, subject in cursor.fetchall():
                if kept is not None and day < kept:
                    continue
                subjects = found.setdefault(day.astimezone(UTC), [])
                if subject not in subjects:
                    subjects.append(subject)
    return found
