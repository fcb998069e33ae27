"""Finds where events are by the ids that their senders gave them, also without saying which sender."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

# More than these are no answer to a question about some ids.
MOST_KEYS = 1000
_SOURCES = """
    WITH RECURSIVE known(source) AS (
        (SELECT source FROM entitlements_usageeventkey ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (SELECT key.source FROM entitlements_usageeventkey key WHERE key.source > known.source
            ORDER BY key.source LIMIT 1)
        FROM known WHERE known.source IS NOT NULL
    )
"""


class StoredKey(NamedTuple):
    """Where the event of a key is."""

    stored_as: UUID
    time: datetime


def find_keys(ids: Sequence[str], sources: Sequence[str] | None = None) -> list[StoredKey]:
    """Where the events with these ids are, of these sources or of any; one more than `MOST_KEYS` where there are more.
    One query, which looks each id up for each source: the index leads by the source, of which there are few."""
    known = "unnest(%(sources)s::text[]) AS known(source)" if sources is not None else "known"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            {"" if sources is not None else _SOURCES}
            SELECT key.stored_as, key.time
            FROM {known} CROSS JOIN unnest(%(ids)s::text[]) AS asked(id)
            JOIN entitlements_usageeventkey key ON key.source = known.source AND key.event_id = asked.id
            LIMIT %(limit)s
            """,
            {"sources": list(sources or ()), "ids": list(ids), "limit": MOST_KEYS + 1},
        )
        return [StoredKey(*row) for row in cursor.fetchall()]
