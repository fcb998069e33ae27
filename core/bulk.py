"""Writes many rows at once: COPY for new rows, one UPDATE from arrays for changed ones.

Thousands of model instances cost more than the rating they hold, so the close hands over plain mappings. Keys are
column names (`customer_id`, not `customer`); JSON columns take text that is already JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection, models

from core.times import time_text


@cache
def columns_of(model: type[models.Model]) -> tuple[str, ...]:
    """The columns of `model`, in the order of its fields."""
    return tuple(str(field.column) for field in model._meta.concrete_fields)


def copy_rows(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, each naming every column of `model`, by COPY. KeyError for a column left out."""
    if not rows:
        return
    columns = columns_of(model)
    names, pick = ", ".join(f'"{column}"' for column in columns), itemgetter(*columns)
    with connection.cursor() as cursor, cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN') as copy:
        write_row, times = copy.write_row, _times_of(model)
        for row in rows:
            values = list(pick(row))
            for place in times:
                if values[place] is not None:
                    # The driver would write each anew, in Python.
                    values[place] = time_text(values[place])
            write_row(values)


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Update the rows of `model` named by the first value of each of `rows` (their primary key); the other values are
    for `columns`, in order. Returns how many rows there were to update. One statement, whatever the number."""
    listed = list(rows)
    if not listed:
        return 0
    key = model._meta.pk
    assert key is not None
    names = (str(key.column), *columns)
    arrays = [_array_of(model, name, values) for name, values in zip(names, zip(*listed, strict=True), strict=True)]
    casts = [_array_cast(model, name) for name in names]
    assignments = ", ".join(f'"{name}" = v."{name}"' for name in columns)
    aliases = ", ".join(f'"{name}"' for name in names)
    sql = (
        f'UPDATE "{model._meta.db_table}" AS t SET {assignments} '
        f'FROM unnest({", ".join(casts)}) AS v({aliases}) WHERE t."{key.column}" = v."{key.column}"'
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, arrays)
        return int(cursor.rowcount)


def delete_rows(model: type[models.Model], ids: Iterable[Any]) -> None:
    """Delete rows by primary key in one statement, without collecting what refers to them."""
    listed = list(ids)
    if listed:
        model._base_manager.filter(pk__in=listed)._raw_delete(connection.alias)


def array_text(values: Iterable[Any], *, quoted: bool = False) -> str:
    """`values` as the text of a PostgreSQL array, to be cast: numbers and booleans; with `quoted`, texts.

    Several times cheaper than the driver's own lists, which look at every element.
    """
    if quoted:
        values = list(values)
        if (plain := _all_quoted(values)) is not None:
            return plain
        parts = ["NULL" if value is None else _quoted(str(value)) for value in values]
    else:
        parts = ["NULL" if value is None else str(value) for value in values]
    return "{" + ",".join(parts) + "}"


def times_array(values: Iterable[datetime | None]) -> str:
    """The same for times."""
    return "{" + ",".join(["NULL" if value is None else time_text(value) for value in values]) + "}"


def ids_array(values: Iterable[UUID | None]) -> str:
    """The same for ids, without the hyphens, which cost more than the rest."""
    return "{" + ",".join(["NULL" if value is None else value.hex for value in values]) + "}"


def _array_of(model: type[models.Model], column: str, values: Iterable[Any]) -> str:
    if _is_time(model, column):
        return times_array(values)
    return ids_array(values) if _is_id(model, column) else array_text(values, quoted=_is_text(model, column))


def _all_quoted(values: Sequence[Any]) -> str | None:
    """The array of texts as most are, in three passes; None where one is NULL, no text, or holds NUL."""
    try:
        joined = "\x00".join(values)
    except TypeError:
        return None
    if not values or joined.count("\x00") != len(values) - 1:
        return None
    return '{"' + joined.replace("\\", "\\\\").replace('"', '\\"').replace("\x00", '","') + '"}'


def _quoted(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return '"' + text.replace('"', '\\"') + '"'


@cache
def _is_text(model: type[models.Model], column: str) -> bool:
    """Whether a value may hold characters that mean something in an array."""
    field = _field(model, column)
    kind = str(field.db_type(connection)).partition("(")[0]
    return kind not in ("uuid", "numeric", "boolean", "integer", "bigint", "smallint")


@cache
def _is_id(model: type[models.Model], column: str) -> bool:
    return str(_field(model, column).db_type(connection)) == "uuid"


@cache
def _is_time(model: type[models.Model], column: str) -> bool:
    return isinstance(_field(model, column), models.DateTimeField)


@cache
def _times_of(model: type[models.Model]) -> tuple[int, ...]:
    """The places of the times among the columns."""
    return tuple(place for place, column in enumerate(columns_of(model)) if _is_time(model, column))


@cache
def _array_cast(model: type[models.Model], column: str) -> str:
    kind = _field(model, column).db_type(connection)
    return "%s::text[]::jsonb[]" if kind == "jsonb" else f"%s::{kind}[]"


def _field(model: type[models.Model], column: str) -> "models.Field[Any, Any]":
    return next(field for field in model._meta.concrete_fields if field.column == column)
