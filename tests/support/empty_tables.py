"""Empties the tables after a transactional test, in a tenth of the time that Django's `flush` takes.

`flush` truncates every table, full or not, and has each app make its permissions anew. Here it runs once; what it left
is remembered, and put back after each further test, once the few tables that have rows have lost them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.color import no_style
from django.db import connection, transaction
from django.test import TransactionTestCase
from psycopg import sql

# Of a table with more rows, so many dead ones would be left that it is truncated, and the others with it.
_FEW = 2000


@contextmanager
def fast_flush() -> Iterator[None]:
    """Let transactional tests clean up this way, for as long as the block lasts."""
    flush: Callable[[TransactionTestCase], None] = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    kept: dict[str, bytes] = {}

    def tear_down(case: Any) -> None:
        if case.available_apps is not None or case.serialized_rollback or not _may_set_triggers_aside():
            flush(case)
        elif not kept:
            flush(case)
            kept.update((table, _read(table)) for table, rows in _row_counts(_tables()).items() if rows)
        else:
            _empty(_tables())
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                for table, rows in kept.items():
                    _write(table, rows)

    TransactionTestCase._fixture_teardown = tear_down  # type: ignore[attr-defined]
    try:
        yield
    finally:
        TransactionTestCase._fixture_teardown = flush  # type: ignore[attr-defined]


def _may_set_triggers_aside() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return cursor.fetchone() == (True,)


def _tables() -> list[str]:
    return sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))


def _row_counts(tables: list[str]) -> dict[str, int]:
    """How many rows each table has, as far as it matters."""
    counts = [
        sql.SQL("SELECT {}, count(*) FROM (SELECT FROM {} LIMIT {}) AS some_rows").format(
            sql.Literal(table), sql.Identifier(table), sql.Literal(_FEW + 1)
        )
        for table in tables
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(counts))
        return dict(cursor.fetchall())


def _empty(tables: list[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # As a truncation does, wait for whoever still writes: their rows would reach the next test.
        cursor.execute(
            sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.SQL(", ").join(map(sql.Identifier, tables)))
        )
        counts = _row_counts(tables)
        if max(counts.values()) > _FEW:
            for statement in connection.ops.sql_flush(no_style(), tables):
                cursor.execute(statement)
            return
        # Neither references nor the triggers that keep history ask: everything goes.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, rows in counts.items():
            if rows:
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def _read(table: str) -> bytes:
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy,
    ):
        return b"".join(copy)


def _write(table: str, rows: bytes) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy,
    ):
        copy.write(rows)
