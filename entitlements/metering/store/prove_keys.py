"""Proves that each event is known by its source and id, once: what is not would count twice, or never, when it is sent
again. Ingest can't leave such a thing; SQL and a table that was restored alone can."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from django.db import connection

_DAY = timedelta(days=1)
_AT_ONCE = 2_000
_APART = """
    SELECT e.source, e.external_id, CASE WHEN k.source IS NULL THEN 'unknown' ELSE 'double' END AS fault
    FROM entitlements_usageevent e
    LEFT JOIN entitlements_usageeventkey k ON k.source = e.source AND k.event_id = e.external_id
    WHERE e.time >= %(start)s AND e.time < %(end)s AND (k.stored_as, k.time) IS DISTINCT FROM (e.id, e.time)
    UNION ALL
    SELECT k.source, k.event_id, 'missing'
    FROM entitlements_usageeventkey k
    WHERE k.time >= %(start)s AND k.time < %(end)s
        AND NOT EXISTS (SELECT 1 FROM entitlements_usageevent e WHERE e.id = k.stored_as AND e.time = k.time)
    ORDER BY 1, 2, 3
"""
_CLAIM = """
    INSERT INTO entitlements_usageeventkey (source, event_id, stored_as, time)
    SELECT source, external_id, id, time FROM entitlements_usageevent WHERE time >= %(start)s AND time < %(end)s
    ORDER BY source, external_id, id
    ON CONFLICT (source, event_id) DO NOTHING
"""
_FREE = """
    DELETE FROM entitlements_usageeventkey k
    WHERE k.time >= %(start)s AND k.time < %(end)s
        AND NOT EXISTS (SELECT 1 FROM entitlements_usageevent e WHERE e.id = k.stored_as AND e.time = k.time)
"""


class Fault(Enum):
    """What is wrong between an event and its key; the value says what comes of it."""

    UNKNOWN = "is stored without its key: sent again, it would count twice"
    DOUBLE = "is stored more than once, and counts more than once"
    MISSING = "has a key and is not stored: sent again, it would not count"


class Apart(NamedTuple):
    """An event, by what its sender calls it, and what is wrong with its key."""

    source: str
    external_id: str
    fault: Fault


def keys_apart(day: datetime) -> Iterator[Apart]:
    """Where the events of `day`, a midnight in UTC, and their keys differ. One query, whose rows come as they are
    asked for: a table that was not restored is a day's events, each of them."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_APART, {"start": day, "end": day + _DAY})
        while rows := cursor.fetchmany(_AT_ONCE):
            for source, external_id, fault in rows:
                yield Apart(source, external_id, Fault[fault.upper()])


def mend_keys(day: datetime) -> None:
    """Claim the keys of the events of `day`, and free those that have no event. What is stored twice stays: which of
    them counts is nobody's to guess. In a transaction."""
    with connection.cursor() as cursor:
        for statement in (_FREE, _CLAIM):
            cursor.execute(statement, {"start": day, "end": day + _DAY})
