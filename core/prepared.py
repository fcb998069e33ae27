"""Owns the statements that PostgreSQL keeps ready: planning one that is sent again and again costs as much as what it
does, and neither Django's cursors nor, as Django sets them up, those of the driver keep any."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from psycopg import ClientCursor, Cursor

_THRESHOLD = 5  # the driver's own, without which it ignores `prepare=True`


class _Prepared(Cursor[Any]):
    def run(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> None:
        if connection.queries_logged:
            # As Django's cursors do, so that tests and pages which count or repeat queries have these, too.
            said = ClientCursor(self.connection).mogrify(statement, parameters)
            connection.queries_log.append({"sql": said, "time": ""})
        self.execute(statement, parameters, prepare=True)


@contextmanager
def prepared_cursor() -> Iterator[_Prepared]:
    """A cursor on Django's connection that keeps what it `run`s ready. Raises Django's errors."""
    connection.ensure_connection()
    link = connection.connection
    if link.prepare_threshold is None:
        link.prepare_threshold = _THRESHOLD
    with connection.wrap_database_errors, _Prepared(link) as cursor:
        yield cursor
