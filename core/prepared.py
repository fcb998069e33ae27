"""Owns the statements that PostgreSQL keeps ready: planning one that is sent again and again costs as much as what it
does, and neither Django's cursors nor, as Django sets them up, those of the driver keep any."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db import connection
from psycopg import ClientCursor, RawCursor

_THRESHOLD = 5  # the driver's own, without which it ignores `prepare=True`
_PLACEHOLDER = re.compile(r"%(?:%|s|\((\w+)\)s)")


class _Prepared(RawCursor[Any]):
    """What long statements come to with numbered parameters is remembered here: the driver does so only for short
    ones, and reads others anew each time."""

    def run(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> None:
        """Execute, with `%s` and a sequence, or `%(name)s` and a mapping, as with Django's cursors."""
        if connection.queries_logged:
            # As Django's cursors do, so that tests and pages which count or repeat queries have these, too.
            said = ClientCursor(self.connection).mogrify(statement, parameters)
            connection.queries_log.append({"sql": said, "time": ""})
        text, names = _numbered(statement)
        values = [parameters[name] for name in names] if isinstance(parameters, Mapping) else parameters
        self.execute(text, values, prepare=True)


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with PostgreSQL's own placeholders; and the parameters' names in their order, where they have
    any."""
    names: list[str] = []
    count = 0

    def number(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] == "%%":
            return "%"
        name = found[1]
        if name is None:
            count += 1
            return f"${count}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PLACEHOLDER.sub(number, statement), tuple(names)


@contextmanager
def prepared_cursor() -> Iterator[_Prepared]:
    """A cursor on Django's connection that keeps what it `run`s ready. Raises Django's errors."""
    connection.ensure_connection()
    link = connection.connection
    if link.prepare_threshold is None:
        link.prepare_threshold = _THRESHOLD
    with connection.wrap_database_errors, _Prepared(link) as cursor:
        yield cursor
