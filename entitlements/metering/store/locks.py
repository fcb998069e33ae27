"""Owns who waits for whom between events that come in and changes of what is counted of them.

Whoever stores events holds the locks of their types, together with others, until they are committed. Whoever makes a
rollup, drops one or takes an event back has its type alone: nothing of the type is half stored then, and what comes
after sees the change. Types share 64 locks. Whoever drops months has all of it alone, by one more lock that is shared
with every type: what an ingest looked up of the months there are holds until it is committed.
"""

import zlib
from collections.abc import Iterable

from django.db import connection

from core.prepared import prepared_cursor

_NAMESPACE = 0x75736167  # the first key of PostgreSQL's two-key advisory locks: "usag"
_LOCKS = 64
_MONTHS = _LOCKS  # the last one in order, and no type's


def share_types(event_types: Iterable[str]) -> None:
    """Wait for, then hold until the end of the transaction, the locks of these types and of the months, as one of many.
    One query."""
    locks = [*sorted({_lock(event_type) for event_type in event_types}), _MONTHS]
    with prepared_cursor() as cursor:
        cursor.run(
            "SELECT count(pg_advisory_xact_lock_shared(%s::int, lock)) FROM unnest(%s::int[]) AS lock",
            [_NAMESPACE, locks],
        )


def lock_type_alone(event_type: str) -> None:
    """Wait for, then hold until the end of the transaction, the lock of this type, alone. Take one at a time only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_NAMESPACE, _lock(event_type)])


def lock_months_alone() -> None:
    """Wait for, then hold until the end of the transaction, the lock of the months, alone: no event is half stored, and
    no day half built."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_NAMESPACE, _MONTHS])


def _lock(event_type: str) -> int:
    return zlib.crc32(event_type.encode()) % _LOCKS
