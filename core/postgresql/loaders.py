"""Reads PostgreSQL's `timestamptz` by the standard library's own parser, which is written in C.

The driver's is written in Python, and a close reads thirty times for each invoice.
"""

from datetime import datetime, tzinfo
from functools import cache, lru_cache
from typing import Any

from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.abc import Buffer

# A batch holds few different times: the boundaries of its periods, and when things were made.
_parsed = lru_cache(maxsize=4096)(datetime.fromisoformat)


class _FastTzLoader(BaseTzLoader):
    """As Django's, to the same values. What only the driver can read, or refuse (`infinity`, years beyond 9999 or
    before Christ), is left to it."""

    def load(self, data: Buffer) -> datetime:
        try:
            moment = _parsed(str(data, "ascii"))
        except ValueError:
            known: datetime = super().load(data)
            return known
        return moment if moment.tzinfo is self.timezone else moment.astimezone(self.timezone)


@cache
def time_loader(zone: tzinfo | None) -> type[BaseTzLoader]:
    """The class that reads times into `zone`; into that of the connection, without naming it, for None."""
    if zone is None:
        return _loader(BaseTzLoader, zone)
    return _loader(_FastTzLoader, zone)


def _loader(kind: type[BaseTzLoader], zone: tzinfo | None) -> type[BaseTzLoader]:
    attributes: dict[str, Any] = {"timezone": zone}
    return type(kind.__name__, (kind,), attributes)
