"""Owns the months that events are kept in: partitions made ahead, and dropped once nobody needs them.

`entitlements_usageevent_before` holds all from before the first month, `entitlements_usageevent_rest` what no month was
made for yet: it takes what comes, and is emptied into the months as they are made.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import connection, transaction
from psycopg import sql

from core.locks import lock_if_free
from entitlements.errors import RollupsUnfinished
from entitlements.metering.store.locks import lock_months_alone
from entitlements.models import DroppedUsage, MeterRollup

EVENTS, REST = "entitlements_usageevent", "entitlements_usageevent_rest"
MONTHS_AHEAD = 3
_ONE_AT_A_TIME = 0x6D6F6E74  # "mont"
_PREFIX = f"{EVENTS}_y"
_BOUNDS = f"""
    SELECT child.relname,
        (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = '{EVENTS}'::regclass
"""


def month_of(moment: datetime, months: int = 0) -> datetime:
    """The first moment in UTC of the month that lies so many `months` after (or before) that of `moment`."""
    moment = moment.astimezone(UTC)
    count = moment.year * 12 + moment.month - 1 + months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


def make_months(now: datetime) -> list[str]:
    """Make the months up to three ahead of `now`; the names of those that are new. Each in a transaction of its own.

    What the rest holds of a month moves into it. Events come in meanwhile, unless there is something to move.
    """
    made = []
    for month in _missing(month_of(now, MONTHS_AHEAD)):
        with transaction.atomic():
            if not lock_if_free(_ONE_AT_A_TIME):
                break
            made.append(_make(month))
    return made


def _missing(last: datetime) -> Iterator[datetime]:
    """The months up to `last` that come after all there are."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        bounds = [bound for _, bound in cursor.fetchall() if bound is not None]
    month = max(bounds).astimezone(UTC) if bounds else last
    while month <= last:
        yield month
        month = month_of(month, 1)


def _make(month: datetime) -> str:
    name = f"{_PREFIX}{month:%Ym%m}"
    after = month_of(month, 1)
    table, bounds = (
        sql.Identifier(name),
        {"start": sql.Literal(month.isoformat()), "end": sql.Literal(after.isoformat())},
    )
    with connection.cursor() as cursor:
        # Attaching locks the rest against writers, to see that it holds nothing of the month: it is nearly empty.
        for statement in (
            f"CREATE TABLE {{table}} (LIKE {EVENTS} INCLUDING DEFAULTS)",
            f"LOCK TABLE {REST} IN ACCESS EXCLUSIVE MODE",
            # Nobody else can write it now: what moves is deleted here, which is refused otherwise.
            f"ALTER TABLE {REST} DISABLE TRIGGER never_changed",
            f"WITH moved AS (DELETE FROM {REST} WHERE time >= {{start}} AND time < {{end}} RETURNING *)"
            " INSERT INTO {table} SELECT * FROM moved",
            f"ALTER TABLE {REST} ENABLE TRIGGER never_changed",
            f"ALTER TABLE {EVENTS} ATTACH PARTITION {{table}} FOR VALUES FROM ({{start}}) TO ({{end}})",
        ):
            cursor.execute(sql.SQL(statement).format(table=table, **bounds))
    return name


def kept_since() -> datetime | None:
    """The moment from which on events are kept, months that were dropped lying before it; None where none was. One
    query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT min((regexp_match(bound, 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz)
            FROM (SELECT pg_get_expr(child.relpartbound, child.oid) AS bound FROM pg_inherits
                JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = '{EVENTS}'::regclass) AS month
            HAVING NOT bool_or(bound LIKE '%MINVALUE%')
            """
        )
        row = cursor.fetchone()
    return None if row is None or row[0] is None else row[0].astimezone(UTC)


def ends_of_months(until: datetime) -> list[datetime]:
    """When the months end that are over by `until`, the first one first; what came before the months is one of them."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        ends = [bound.astimezone(UTC) for _, bound in cursor.fetchall() if bound is not None and bound <= until]
    return sorted(ends)


def drop_months(before: datetime) -> list[str]:
    """Drop the months that end by `before`, with the keys of their events; the names of those that were. Ingest
    refuses events of that time from then on, also those that were on their way.

    The caller answers for it that everything in them is billed. Raises `RollupsUnfinished` where rollups are still to
    be built from them: their usage would be in none.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        old = sorted((bound, name) for name, bound in cursor.fetchall() if bound is not None and bound <= before)
        for bound, name in old:
            with transaction.atomic():
                # Whoever reads or writes events waits behind this: rather give up, and be asked again.
                cursor.execute("SET LOCAL lock_timeout = '5s'")
                lock_months_alone()
                unfinished = MeterRollup.objects.filter(whole_at=None, dropped_at=None).select_related("meter").first()
                if unfinished is not None:
                    raise RollupsUnfinished(
                        f"The rollups of the meter {unfinished.meter.key} are still being built from the events. None "
                        f"of before {bound:%Y-%m-%d} were dropped. Wait until they are built, or run "
                        "manage.py prove_usage, which builds them."
                    )
                cursor.execute(sql.SQL(f"ALTER TABLE {EVENTS} DETACH PARTITION {{}}").format(sql.Identifier(name)))
                cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
                DroppedUsage.objects.bulk_create([DroppedUsage(before=bound)], ignore_conflicts=True)
        deleted = 1
        while old and deleted:
            cursor.execute(
                "DELETE FROM entitlements_usageeventkey WHERE ctid = ANY(ARRAY("
                "SELECT ctid FROM entitlements_usageeventkey WHERE time < %s LIMIT 50000))",
                [max(old)[0]],
            )
            deleted = cursor.rowcount
    return [name for _, name in old]
