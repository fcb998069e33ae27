"""Computes buckets anew from their events: after one was taken back, or where a proof failed."""

from datetime import datetime, timedelta

from django.db import connection
from psycopg import sql

from entitlements.metering.meter_sql import NOT_REVERSED
from entitlements.metering.store.build import counted_by
from entitlements.metering.store.locks import lock_type_alone
from entitlements.metering.store.rollup_sql import (
    COLUMNS,
    DAY,
    HOUR,
    TOGETHER,
    add_to_rollups,
    figures_of,
    rolled,
)
from entitlements.models import MeterRollup

_HOURS = "(VALUES (1::smallint, date_bin('1 hour', time, 'epoch'))) AS bucket(grain, start)"
_EMPTIED = f"""
    UPDATE entitlements_usagerollup SET events = 0, unreadable = 0, sum = NULL, min = NULL, max = NULL, latest = NULL,
        latest_at = NULL, latest_id = NULL, first_at = NULL, last_at = NULL,
        for_thresholds = grain = {HOUR}, for_late_usage = grain = {HOUR}
    WHERE rollup_id = %s AND subject = %s AND grain = %s AND start >= %s AND start < %s
"""
# A day's figures are those of its hours together.
_DAYS = f"""
    SELECT rollup_id, subject, {DAY}::smallint AS grain, date_bin('1 day', start, 'epoch') AS start,
        groups_key, value_key, groups,
        {TOGETHER}
    FROM entitlements_usagerollup
    WHERE rollup_id = %s AND subject = %s AND grain = {HOUR} AND start >= %s AND start < %s AND events > 0
    GROUP BY rollup_id, subject, date_bin('1 day', start, 'epoch'), groups_key, value_key, groups
"""


def recount(event_type: str, subject: str, start: datetime, end: datetime) -> None:
    """Compute the rollups of this subject's events anew, in the whole hours `[start, end)`, and their days. In a
    transaction: no event of the type comes in until it ends, so keep it short."""
    lock_type_alone(event_type)
    first_day = start.replace(hour=0)
    last_day = (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (first_day, last_day + timedelta(days=1))
    rollups = MeterRollup.objects.filter(meter__event_type=event_type, dropped_at=None).select_related("meter")
    with connection.cursor() as cursor:
        for row in rollups.order_by("id"):
            rollup = rolled(row)
            batch = sql.SQL(
                "WITH batch AS MATERIALIZED (SELECT e.id, e.type, e.subject, e.time, e.data"
                " FROM entitlements_usageevent e WHERE e.type = %s AND e.subject = %s AND e.time >= %s AND e.time < %s"
                f" AND {{counted}} AND {NOT_REVERSED.format(event='e')})"
            ).format(counted=counted_by(rollup))
            cursor.execute(_EMPTIED, [rollup.id, subject, HOUR, start, end])
            statement = add_to_rollups(batch, figures_of([rollup], buckets=_HOURS))
            cursor.execute(statement.as_string(), [event_type, subject, start, end])
            cursor.execute(_EMPTIED, [rollup.id, subject, DAY, *days])
            statement = add_to_rollups(sql.SQL(""), sql.SQL(f"SELECT {COLUMNS} FROM ({_DAYS}) AS day"))
            cursor.execute(statement.as_string(), [rollup.id, subject, *days])
