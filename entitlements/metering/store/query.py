"""Reads the usage of one meter over time, by window and dimension, off rollups or off the events themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from entitlements.choices import Aggregation
from entitlements.metering.meter_sql import FIGURES, NOT_REVERSED, number_of, path_parameter, value_in
from entitlements.metering.reading import CUSTOMER, MAX_ROWS, SUBJECT, WINDOWS, UsageQuery, UsageRow
from entitlements.metering.store.query_parts import Parts, cuts_hours_before, parts_of, whole_rollup
from entitlements.metering.store.read import PART_FIGURES
from entitlements.models import Meter

# Whether the subject's `owner` has the `event`: a subject that moves takes no earlier usage along.
_OWNED = (
    "owner.key = event.subject"
    " AND (owner.active_from IS NULL OR event.time >= owner.active_from)"
    " AND (owner.deleted_at IS NULL OR event.time < owner.deleted_at)"
)


def query_rows(meter: Meter, query: UsageQuery) -> list[UsageRow]:
    """The rows, one more than `MAX_ROWS` at most. Read off rollups, unless windows are minutes, the customers of a time
    are asked for, or no rollup is whole."""
    parts = _parts(meter, query)
    return _rows(query, *(_plain_statement(meter, query) if parts is None else _rolled_statement(meter, query, parts)))


def needs_events_before(meter: Meter, query: UsageQuery, moment: datetime) -> bool:
    """Whether the rows of the time before `moment` are read off events, all of them or those of an hour that is cut.
    Two queries at most."""
    if any(since is not None and since >= moment for since in (query.start, meter.event_from)):
        return False
    parts = _parts(meter, query)
    return parts is None or cuts_hours_before(parts, moment)


def plain_rows(meter: Meter, query: UsageQuery) -> list[UsageRow]:
    """The same, read off the events one by one: what `query_rows` has to equal."""
    return _rows(query, *_plain_statement(meter, query))


def distinct_values(meter: Meter, name: str, start: datetime | None, end: datetime | None) -> list[str]:
    """The different values of a dimension (or of "subject"), in order; `MAX_ROWS` at most."""
    query = UsageQuery(start=start, end=end, group_by=(name,))
    parts = _parts(meter, query)
    if parts is None:
        parameters: dict[str, Any] = {}
        column = _group(meter, name, 0, parameters)
        statement = sql.SQL(
            "SELECT DISTINCT {column} AS value FROM entitlements_usageevent event"
            " WHERE {conditions} AND {column} IS NOT NULL ORDER BY value LIMIT {limit}"
        ).format(
            column=column,
            conditions=_conditions(meter, UsageQuery(start=start, end=end), parameters),
            limit=sql.Literal(MAX_ROWS),
        )
    else:
        clause, parameters = parts_of(parts)
        statement = sql.SQL(
            "{clause} SELECT DISTINCT {column} AS value FROM part"
            " WHERE {column} IS NOT NULL ORDER BY value LIMIT {limit}"
        ).format(clause=clause, column=_kept_group(meter, name), limit=sql.Literal(MAX_ROWS))
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [value for (value,) in cursor.fetchall()]


def _rows(query: UsageQuery, statement: sql.Composed, parameters: dict[str, Any]) -> list[UsageRow]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    return [
        UsageRow(
            start=window_start or query.start or first,
            end=window_end or query.end or last,
            value=value,
            groups=tuple(row_groups),
        )
        for window_start, window_end, first, last, value, *row_groups in rows
    ]


def _window(query: UsageQuery, moment: str) -> tuple[sql.Composable, sql.Composable]:
    """Where the window of `moment` begins, and where the window `w` ends."""
    if not query.window:
        return sql.SQL("NULL::timestamptz"), sql.SQL("NULL::timestamptz")
    unit = sql.Literal(WINDOWS[query.window])
    start = sql.SQL(f"date_trunc({{unit}}, {moment}, %(zone)s)").format(unit=unit)
    # From its beginning on the calendar: where the clock skips midnight, a day begins at one, and ends at midnight.
    end = sql.SQL(
        "(date_trunc({unit}, w AT TIME ZONE %(zone)s) + ('1 ' || {unit})::interval) AT TIME ZONE %(zone)s"
    ).format(unit=unit)
    # The hour that comes twice in autumn is two windows: adding to the wall time would skip one.
    if query.window in ("MINUTE", "HOUR"):
        end = sql.SQL("w + ('1 ' || {unit})::interval").format(unit=unit)
    return start, end


def _plain_statement(meter: Meter, query: UsageQuery) -> tuple[sql.Composed, dict[str, Any]]:
    names = query.group_by
    parameters: dict[str, Any] = {"zone": query.time_zone}
    start, end = _window(query, "time")
    statement = sql.SQL(
        """
        WITH value AS (
          SELECT time, id, {start} AS w, {raw} AS raw {columns}
          FROM entitlements_usageevent event
          WHERE {conditions}
          OFFSET 0
        ), event AS (
          SELECT value.*, {number} AS number FROM value
        )
        SELECT w, {end}, min(time), max(time), {aggregate} {groups}
        FROM event
        GROUP BY w {groups}
        HAVING {aggregate} IS NOT NULL
        ORDER BY w {groups}
        LIMIT {limit}
        """
    ).format(
        start=start,
        end=end,
        raw=_value(meter, parameters),
        number=sql.SQL(number_of(meter.aggregation)),
        columns=_columns(meter, names, parameters),
        conditions=_conditions(meter, query, parameters),
        aggregate=sql.SQL(FIGURES[Aggregation(meter.aggregation)]),
        groups=_names(names),
        limit=sql.Literal(MAX_ROWS + 1),
    )
    return statement, parameters


def _parts(meter: Meter, query: UsageQuery) -> Parts | None:
    """What is asked of the meter's rollup; None where the events have to be asked."""
    names = {*query.group_by, *query.filters}
    if CUSTOMER in names or query.customers is not None or query.window == "MINUTE":
        return None
    if not names <= {*meter.group_by, SUBJECT}:
        return None
    paths = sorted({meter.group_by[name] for name in names if name != SUBJECT})
    rollup = whole_rollup(meter.id, paths)
    if rollup is None or SUBJECT in query.filters:
        return None
    return Parts(
        rollup,
        meter.event_type,
        meter.aggregation,
        meter.value_property,
        paths,
        WINDOWS[query.window] if query.window else None,
        query.time_zone,
        max((moment for moment in (query.start, meter.event_from) if moment), default=None),
        query.end,
        query.subjects,
        {meter.group_by[name]: values for name, values in query.filters.items()},
    )


def _rolled_statement(meter: Meter, query: UsageQuery, parts: Parts) -> tuple[sql.Composed, dict[str, Any]]:
    clause, parameters = parts_of(parts)
    start, end = _window(query, "first_at")
    columns = [
        sql.SQL(", {} AS {}").format(_kept_group(meter, name), sql.Identifier(f"g{index}"))
        for index, name in enumerate(query.group_by)
    ]
    statement = sql.SQL(
        """
        {clause}
        SELECT w, {end}, min(first_at), max(last_at), {aggregate} {groups}
        FROM (SELECT part.*, {start} AS w {columns} FROM part) AS part
        GROUP BY w {groups}
        HAVING {aggregate} IS NOT NULL
        ORDER BY w {groups}
        LIMIT {limit}
        """
    ).format(
        clause=clause,
        start=start,
        end=end,
        columns=sql.SQL("").join(columns),
        aggregate=sql.SQL(PART_FIGURES[Aggregation(meter.aggregation)]),
        groups=_names(query.group_by),
        limit=sql.Literal(MAX_ROWS + 1),
    )
    return statement, parameters


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL("").join(sql.SQL(", ") + sql.Identifier(f"g{index}") for index in range(len(names)))


def _kept_group(meter: Meter, name: str) -> sql.Composable:
    return sql.SQL("subject") if name == SUBJECT else sql.SQL("groups ->> {}").format(sql.Literal(meter.group_by[name]))


def _value(meter: Meter, parameters: dict[str, Any]) -> sql.Composable:
    if not meter.value_property:
        return sql.SQL("NULL::text")
    parameters["value_path"] = path_parameter(meter.value_property)
    return sql.SQL(value_in("data", "%(value_path)s"))


def _columns(meter: Meter, names: Sequence[str], parameters: dict[str, Any]) -> sql.Composable:
    return sql.SQL("").join(
        sql.SQL(", {} AS {}").format(_group(meter, name, index, parameters), sql.Identifier(f"g{index}"))
        for index, name in enumerate(names)
    )


def _group(meter: Meter, name: str, index: int, parameters: dict[str, Any]) -> sql.Composable:
    if name == SUBJECT:
        return sql.SQL("event.subject")
    if name == CUSTOMER:
        return sql.SQL(f"(SELECT owner.customer_id FROM customers_usagesubject owner WHERE {_OWNED} LIMIT 1)")
    parameter = f"group_path_{index}"
    parameters[parameter] = path_parameter(meter.group_by[name])
    return sql.SQL(value_in("event.data", f"%({parameter})s"))


def _conditions(meter: Meter, query: UsageQuery, parameters: dict[str, Any]) -> sql.Composable:
    parameters["type"] = meter.event_type
    conditions: list[sql.Composable] = [
        sql.SQL("event.type = %(type)s"),
        sql.SQL(NOT_REVERSED.format(event="event")),
    ]
    starts = [moment for moment in (query.start, meter.event_from) if moment]
    if starts:
        parameters["start"] = max(starts)
        conditions.append(sql.SQL("event.time >= %(start)s"))
    if query.end:
        parameters["end"] = query.end
        conditions.append(sql.SQL("event.time < %(end)s"))
    if query.subjects is not None:
        parameters["subjects"] = list(query.subjects)
        conditions.append(sql.SQL("event.subject = ANY(%(subjects)s)"))
    if query.customers is not None:
        parameters["customers"] = list(query.customers)
        conditions.append(
            sql.SQL(
                "event.subject IN (SELECT key FROM customers_usagesubject WHERE customer_id = ANY(%(customers)s))"
                " AND EXISTS (SELECT 1 FROM customers_usagesubject owner"
                f" WHERE owner.customer_id = ANY(%(customers)s) AND {_OWNED})"
            )
        )
    for index, (name, values) in enumerate(query.filters.items(), start=100):
        column = _group(meter, name, index, parameters)
        parameters[f"filter_{index}"] = list(values)
        conditions.append(sql.SQL("{} = ANY({})").format(column, sql.Placeholder(f"filter_{index}")))
    return sql.SQL(" AND ").join(conditions)
