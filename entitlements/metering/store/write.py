"""Owns the storing of events: keys first, then events, then rollups, each in the order of its key, so that writers of
the same events and of the same buckets queue up and never lock each other out."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from psycopg import sql

from core.bulk import array_text, ids_array, times_array
from core.prepared import prepared_cursor
from entitlements.metering.store.interface import NewEvent
from entitlements.metering.store.rollup_sql import Rolled, add_to_rollups, figures_of

# Each event once, where its key is new. The rollups need all of the batch, so that all keys are claimed before them.
# IS TRUE keeps the planner, which can't know how many events come, from comparing each with each.
_BATCH = """
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest(
            %s::text[], %s::text[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[]
        ) AS given(source, external_id, id, time, type, subject, data)
    ), claimed AS (
        INSERT INTO entitlements_usageeventkey (source, event_id, stored_as, time)
        SELECT source, external_id, id, time FROM given
        ON CONFLICT (source, event_id) DO NOTHING
        RETURNING stored_as
    ), batch AS MATERIALIZED (
        SELECT source, external_id, id, time, type, subject, data::jsonb AS data FROM given
        WHERE (id IN (SELECT stored_as FROM claimed)) IS TRUE
    ), stored AS (
        INSERT INTO entitlements_usageevent (source, external_id, id, time, type, subject, data, ingested_at)
        SELECT source, external_id, id, time, type, subject, data, %s FROM batch
    )
"""
_COUNT = "SELECT count(*) FROM claimed"


def store_events(events: Sequence[NewEvent], rollups: Sequence[Rolled], now: datetime) -> int:
    """Store those of the events that are not stored yet, and add them to the rollups; how many were new.

    Call it in a transaction that has shared the types of the events (`store.locks`) before it looked for `rollups`.
    One query, however many events.
    """
    if not events:
        return 0
    with prepared_cursor() as cursor:
        cursor.run(_statement(tuple(rollups)), [*_columns(sorted(events)), now])
        (new,) = next(cursor)
        return int(new)


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
        return _BATCH + _COUNT
    added = add_to_rollups(sql.SQL(""), figures_of(rollups)).as_string()
    return f"{_BATCH}, added AS ({added}) {_COUNT}"
