"""Owns the storing of events: keys first, then events, then rollups, each in the order of its key, so that writers of
the same events and of the same buckets queue up and never lock each other out."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from django.db import connection
from psycopg import Cursor, sql

from core.bulk import array_text, ids_array, times_array
from entitlements.metering.store.interface import NewEvent
from entitlements.metering.store.rollup_sql import Rolled, add_to_rollups, figures_of

_CLAIM = """
    INSERT INTO entitlements_usageeventkey (source, event_id, stored_as, time)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::timestamptz[])
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING stored_as
"""
_BATCH = """
    WITH batch AS MATERIALIZED (
        SELECT source, external_id, id, time, type, subject, data::jsonb AS data FROM unnest(
            %s::text[], %s::text[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[]
        ) AS given(source, external_id, id, time, type, subject, data)
    )
"""
_STORE = """
    INSERT INTO entitlements_usageevent (source, external_id, id, time, type, subject, data, ingested_at)
    SELECT source, external_id, id, time, type, subject, data, %s FROM batch
"""


def store_events(events: Sequence[NewEvent], rollups: Sequence[Rolled], now: datetime) -> int:
    """Store those of the events that are not stored yet, and add them to the rollups; how many were new.

    Call it in a transaction that has shared the types of the events (`store.locks`) before it looked for `rollups`.
    Two queries, however many events; Django's counting does not see them.
    """
    if not events:
        return 0
    events = sorted(events)
    columns = _columns(events)
    # Prepared, since planning them costs as much as storing thirty events; Django's cursors prepare nothing.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(_CLAIM, columns[:4], prepare=True)
        if cursor.rowcount < len(events):
            fresh = {row[0] for row in cursor.fetchall()}
            events = [event for event in events if event.id in fresh]
            if not events:
                return 0
            columns = _columns(events)
        cursor.execute(_statement(tuple(rollups)), [*columns, now], prepare=True)
    return len(events)


def _columns(events: Sequence[NewEvent]) -> list[str]:
    sources, external_ids, ids, times, types, subjects, data = zip(*events, strict=True)
    return [
        array_text(sources, quoted=True),
        array_text(external_ids, quoted=True),
        ids_array(ids),
        times_array(times),
        array_text(types, quoted=True),
        array_text(subjects, quoted=True),
        array_text(data, quoted=True),
    ]


@lru_cache(maxsize=256)
def _statement(rollups: tuple[Rolled, ...]) -> str:
    if not rollups:
        return _BATCH + _STORE
    before = sql.SQL(f"{_BATCH}, stored AS ({_STORE})")
    return add_to_rollups(before, figures_of(rollups)).as_string()
