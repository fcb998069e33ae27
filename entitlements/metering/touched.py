"""Which hours of which subjects have changed: marked by every ingest, build and reversal, and where a subject comes to
another customer; claimed by who acts on it.

Thresholds and late usage each have a mark of their own, so that neither takes the other's away.
"""

from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from django.db import connection


class Reader(Enum):
    """Who claims marks; the value is the column of `UsageRollup` that holds theirs."""

    THRESHOLDS = "for_thresholds"
    LATE_USAGE = "for_late_usage"


class Touched(NamedTuple):
    """An hour, from `hour` on, in which what the meter reads of the subject has changed."""

    meter_id: UUID
    subject: str
    hour: datetime


_SUBJECTS_AT_ONCE = 100
_SPREAD = """
    WITH changed AS (
        DELETE FROM entitlements_subjectchange WHERE id IN (
            SELECT id FROM entitlements_subjectchange ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING subject, COALESCE(since, '-infinity') AS since
    ), hour AS (
        SELECT r.ctid FROM (SELECT subject, min(since) AS since FROM changed GROUP BY subject) AS change
        CROSS JOIN (SELECT id FROM entitlements_meterrollup WHERE dropped_at IS NULL) AS kept
        JOIN entitlements_usagerollup r ON r.rollup_id = kept.id AND r.subject = change.subject AND r.grain = 1
            AND r.start > change.since - interval '1 hour'
        WHERE r.events > 0
        ORDER BY r.rollup_id, r.subject, r.grain, r.start, r.groups_key, r.value_key
        FOR UPDATE OF r
    )
    UPDATE entitlements_usagerollup r SET for_thresholds = true, for_late_usage = true
    FROM hour WHERE r.ctid = hour.ctid
"""


def claim_touched(reader: Reader, *, limit: int = 1000) -> list[Touched]:
    """Take up to `limit` marks, each hour once. Empty: there are none that nobody else is taking.

    Call it in the transaction that acts on them, in READ COMMITTED, before reading usage: what changes after is marked
    anew, and where the transaction fails the marks are there again. Ingests into these hours wait: keep it short.
    """
    column = reader.value
    with connection.cursor() as cursor:
        # What has moved between customers is marked here, in the order in which ingests lock hours, and for both.
        cursor.execute(_SPREAD, [_SUBJECTS_AT_ONCE])
        cursor.execute(
            f"""
            WITH claimed AS (
                UPDATE entitlements_usagerollup AS r SET {column} = false
                FROM (
                    SELECT rollup_id, subject, grain, start, groups_key, value_key FROM entitlements_usagerollup
                    WHERE {column} ORDER BY rollup_id, subject, start LIMIT %s FOR UPDATE SKIP LOCKED
                ) AS marked
                WHERE (r.rollup_id, r.subject, r.grain, r.start) = (
                        marked.rollup_id, marked.subject, marked.grain, marked.start)
                    AND (r.groups_key, r.value_key) = (marked.groups_key, marked.value_key)
                RETURNING r.rollup_id, r.subject, r.start
            )
            SELECT DISTINCT m.meter_id, claimed.subject, claimed.start
            FROM claimed JOIN entitlements_meterrollup m ON m.id = claimed.rollup_id
            WHERE m.dropped_at IS NULL
            ORDER BY m.meter_id, claimed.subject, claimed.start
            """,
            [limit],
        )
        return [Touched(*row) for row in cursor.fetchall()]
