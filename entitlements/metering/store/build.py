"""Owns the life of a rollup: made with its meter, built from the events of before, renewed with its dimensions, dropped
with its meter.

From the moment that a rollup is there, every ingest adds to it. The events of before, known by their `seq`, are added
day by day, each day once: what was added and how far it went are one transaction. Of the time whose events were
dropped, the rollup before says what there was.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min
from django.db.models.functions import Now
from psycopg import sql

from core.locks import lock_alone
from entitlements.metering.meter_sql import NOT_REVERSED
from entitlements.metering.store.locks import lock_type_alone, share_types
from entitlements.metering.store.rollup_sql import (
    COLUMNS,
    TOGETHER,
    Rolled,
    add_to_rollups,
    figures_of,
    groups_key,
    rolled,
)
from entitlements.models import DroppedUsage, Meter, MeterRollup, UsageEvent, UsageRollup

_BUILDING = 0x6275696C  # "buil": one at a time
_DAY = timedelta(days=1)
_DELETED_AT_ONCE = 20_000
# The events that are in a rollup: those that were added when they came, and those of the days that are built.
COUNTED = "(e.seq > {watermark} OR e.time < {built_to})"


def start_rollup(meter: Meter) -> MeterRollup:
    """Let events be rolled up for the meter from now on, by its dimensions as they are; until that is whole, usage is
    read off the events. In the transaction that makes or changes the meter. Waits until no event of the type is half
    stored."""
    lock_type_alone(meter.event_type)
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM entitlements_usageevent_seq")
        watermark = cursor.fetchone()[0]
    rollup = MeterRollup(meter=meter, paths=sorted(set(meter.group_by.values())), watermark=watermark)
    if not UsageEvent.objects.exists() and not DroppedUsage.objects.exists():
        rollup.whole_at = Now()
    rollup.save()
    return rollup


def renew_rollup(meter: Meter) -> None:
    """Start a rollup by the meter's dimensions, where none has them all. The one in use goes on until it is whole."""
    paths = set(meter.group_by.values())
    if not any(paths <= set(rollup.paths) for rollup in meter.rollups.filter(dropped_at=None)):
        start_rollup(meter)


def drop_rollups(rollups: Iterable[MeterRollup], event_type: str) -> None:
    """Read and write these rollups no more. Their rows go later, in `build_rollups`."""
    lock_type_alone(event_type)
    MeterRollup.objects.filter(id__in=[rollup.id for rollup in rollups]).update(dropped_at=Now())


def build_rollups(until: datetime | None = None) -> int:
    """Build what is not whole yet, and delete what was dropped; how many days were added. Stops at `until`, and goes on
    there when called again. One process at a time; the others do nothing."""
    days = 0
    for rollup in MeterRollup.objects.filter(whole_at=None, dropped_at=None).order_by("id"):
        while True:
            if until is not None and datetime.now(UTC) >= until:
                return days
            if not build_day(rollup.id):
                break
            days += 1
    _delete_dropped(until)
    return days


def build_day(rollup_id: int) -> bool:
    """Add the next day of events that came before the rollup did; False once there are none, and it is whole. First
    of all, what the rollup before has of the time whose events were dropped."""
    with transaction.atomic():
        lock_alone(_BUILDING)
        event_type = MeterRollup.objects.filter(id=rollup_id).values_list("meter__event_type", flat=True).first()
        if event_type is None:
            return False
        # So that no event of the type is taken back, and no month dropped, between the look at it and the commit.
        # Before the row is locked: who drops the rollup has the type alone when they come to the row.
        share_types([event_type])
        row = (
            MeterRollup.objects.select_for_update(of=("self",))
            .select_related("meter")
            .filter(id=rollup_id, whole_at=None, dropped_at=None)
            .first()
        )
        if row is None:
            return False
        if row.built_to is None:
            dropped = DroppedUsage.objects.aggregate(before=Max("before"))["before"]
            if dropped is not None:
                _take_over(row, dropped)
                row.built_to = dropped
                row.save(update_fields=["built_to"])
        day = _next_day(row)
        if day is None:
            row.whole_at = Now()
            row.save(update_fields=["whole_at"])
            older = row.meter.rollups.filter(dropped_at=None, id__lt=row.id)
            if older.exists():
                # Not locked alone: who adds to an older one a moment longer does no harm.
                older.update(dropped_at=Now())
            return False
        rollup = rolled(row)
        batch = sql.SQL(
            "WITH batch AS MATERIALIZED (SELECT e.id, e.type, e.subject, e.time, e.data FROM entitlements_usageevent e"
            f" WHERE e.type = %s AND e.time >= %s AND e.time < %s AND e.seq <= %s AND {NOT_REVERSED.format(event='e')})"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                add_to_rollups(batch, figures_of([rollup])), [rollup.event_type, day, day + _DAY, rollup.watermark]
            )
        row.built_to = day + _DAY
        row.save(update_fields=["built_to"])
        return True


def _take_over(row: MeterRollup, before: datetime) -> None:
    """Add what the meter's rollup in use has of the time `before`, a midnight in UTC, by the dimensions that both know:
    of a new dimension there is no value, as in an event without it. One statement, which reads all of that rollup."""
    older = row.meter.rollups.filter(dropped_at=None, id__lt=row.id).exclude(whole_at=None).order_by("-id").first()
    if older is None:
        return
    pairs = sql.SQL(", ").join(sql.SQL("{0}, groups ->> {0}").format(sql.Literal(path)) for path in row.paths)
    groups = sql.SQL("jsonb_build_object({})").format(pairs) if row.paths else sql.SQL("NULL::jsonb")
    figures = sql.SQL(
        f"""
        SELECT {{id}}::int AS rollup_id, subject, grain, start, {groups_key("known")} AS groups_key, value_key,
            known AS groups, {TOGETHER}
        FROM (
            SELECT *, {{groups}} AS known FROM entitlements_usagerollup
            WHERE rollup_id = {{older}} AND start < {{before}}::timestamptz AND events > 0 OFFSET 0
        ) AS kept
        GROUP BY subject, grain, start, known, value_key
        """
    ).format(id=sql.Literal(row.id), older=sql.Literal(older.id), before=sql.Literal(before.isoformat()), groups=groups)
    with connection.cursor() as cursor:
        cursor.execute(add_to_rollups(sql.SQL(""), sql.SQL(f"SELECT {COLUMNS} FROM ({{}}) AS known").format(figures)))


def _next_day(row: MeterRollup) -> datetime | None:
    """The first day, from where it is built to, that has any event."""
    events = UsageEvent.objects.all()
    if row.built_to is not None:
        events = events.filter(time__gte=row.built_to)
    first = events.aggregate(first=Min("time"))["first"]
    return None if first is None else first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _delete_dropped(until: datetime | None) -> None:
    """A meter's dropped rollups, a part at a time. An ingest that still adds to one has begun long before."""
    for rollup in MeterRollup.objects.filter(dropped_at__lt=Now() - timedelta(hours=1)):
        deleted = 1
        while deleted:
            if until is not None and datetime.now(UTC) >= until:
                return
            with connection.cursor() as cursor:
                cursor.execute(
                    f"DELETE FROM {UsageRollup._meta.db_table} WHERE ctid = ANY(ARRAY("
                    f"SELECT ctid FROM {UsageRollup._meta.db_table} WHERE rollup_id = %s LIMIT {_DELETED_AT_ONCE}))",
                    [rollup.id],
                )
                deleted = cursor.rowcount
        rollup.delete()


def counted_by(rollup: Rolled) -> sql.Composed:
    """The condition that an event `e` is in the rollup: added when it came, or on a day that is built."""
    built_to = "-infinity" if rollup.built_to is None else rollup.built_to.isoformat()
    return sql.SQL(COUNTED).format(
        watermark=sql.Literal(rollup.watermark), built_to=sql.SQL("{}::timestamptz").format(sql.Literal(built_to))
    )
