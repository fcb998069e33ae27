"""ClickHouse as an engine that keeps usage: the second one that serves `entitlements.metering.store.interface`.

It runs in this process (`chdb`), one engine a process, and shows that the interface asks for nothing that PostgreSQL
alone can give. Two things would differ in production, and are said in docs/scaling.md: keys are claimed by one process
here, and rows are put into statements instead of a client's parameters.

The values of an event are kept as texts by path: ClickHouse's functions for JSON read numbers as floats.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from chdb.session import Session

from entitlements.choices import Aggregation
from entitlements.metering.json_path import steps
from entitlements.metering.reading import (
    CUSTOMER,
    MAX_ROWS,
    SUBJECT,
    MeterReading,
    Usage,
    UsageQuery,
    UsageRow,
    Window,
)
from entitlements.metering.store.interface import NewEvent, StoredEvent
from entitlements.metering.store.rollup_sql import Rolled
from entitlements.models import Meter
from tests.support.exact_decimals import LIMBS_OF, PLACES_OF, READABLE, SPELLED, average, decimal_of

# One table, so that an insert is there as a whole, with its keys, or not at all.
_TABLES = {
    "event": "source String, external_id String, id UInt128, type String, subject String, time Int64,"
    " leaves Map(String, String), INDEX by_key (source, external_id) TYPE bloom_filter"
    " ) ENGINE = MergeTree ORDER BY (type, subject, time",
    "reversal": "id UInt128 ) ENGINE = MergeTree ORDER BY (id",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ASKABLE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_COUNTED = "id NOT IN (SELECT id FROM usage.reversal)"
# A list of limbs, and how many values there are behind it.
_LIMBS = {
    Aggregation.SUM: "sumForEachIf(limbs, readable)",
    Aggregation.AVG: "sumForEachIf(limbs, readable)",
    Aggregation.MIN: "minIf(limbs, readable)",
    Aggregation.MAX: "maxIf(limbs, readable)",
    Aggregation.LATEST: "argMaxIf(limbs, (time, id), readable)",
}


class Owner(NamedTuple):
    """The customer who has the usage of `subject` in `[start, end)`; None: without start, without end."""

    subject: str
    customer_id: UUID
    start: datetime | None
    end: datetime | None


class ClickHouseStore:
    """Serves `UsageStore`. `owners` says who has which subject when, for queries by customer."""

    def __init__(self, session: Session, owners: Callable[[], Iterable[Owner]]) -> None:
        self.session = session
        self.owners = owners
        session.query("CREATE DATABASE IF NOT EXISTS usage")
        for name, columns in _TABLES.items():
            session.query(f"CREATE TABLE IF NOT EXISTS usage.{name} ({columns})")

    def clear(self) -> None:
        """Forget all events."""
        for name in _TABLES:
            self.session.query(f"TRUNCATE TABLE usage.{name}")

    def store_events(self, events: Sequence[NewEvent], *, rollups: Sequence[Rolled], now: datetime) -> int:
        first: dict[tuple[str, str], NewEvent] = {}
        for event in sorted(events):
            first.setdefault((event.source, event.external_id), event)
        keys = ", ".join(f"({_text(source)}, {_text(name)})" for source, name in first)
        if not keys:
            return 0
        for source, name in self._rows(
            f"SELECT source, external_id FROM usage.event WHERE (source, external_id) IN ({keys})"
        ):
            del first[source, name]
        self._insert(
            "event",
            [
                {
                    "source": event.source,
                    "external_id": event.external_id,
                    "id": str(event.id.int),
                    "type": event.type,
                    "subject": event.subject,
                    "time": _number(event.time),
                    "leaves": dict(_leaves(event.data)),
                }
                for event in first.values()
            ],
        )
        return len(first)

    def find_event(self, source: str, external_id: str) -> StoredEvent | None:
        for number, kind, subject, moment in self._rows(
            "SELECT toString(id), type, subject, time FROM usage.event"
            f" WHERE source = {_text(source)} AND external_id = {_text(external_id)}"
        ):
            return StoredEvent(UUID(int=int(number)), source, external_id, _moment(moment), kind, subject)
        return None

    def leave_out(self, event: StoredEvent) -> None:
        self._insert("reversal", [{"id": str(event.id.int)}])

    def usage(self, asked: Mapping[MeterReading, Sequence[Window]]) -> Mapping[int, Usage]:
        answer: dict[int, Usage] = {}
        for reading, windows in asked.items():
            if not windows:
                continue
            aggregation = Aggregation(reading.aggregation)
            values = ", ".join(
                f"({window.key}, {_text(window.subject)}, {_number(window.start)}, {_number(window.end)})"
                for window in windows
            )
            conditions = [f"type = {_text(reading.event_type)}", "time >= t0", "time < t1", _COUNTED]
            conditions += [_one_of(_leaf(path), values) for path, values in reading.filters]
            events = (
                f"SELECT key, time, id, {_raw(reading.value_property)} AS raw FROM usage.event AS e"
                f" JOIN values('key Int32, name String, t0 Int64, t1 Int64', {values}) AS w ON e.subject = w.name"
                f" WHERE {' AND '.join(conditions)}"
            )
            rows = self._rows(f"SELECT key, {_figure(aggregation)} FROM ({_numbers(events)}) GROUP BY key")
            for key, *figure in rows:
                quantity = _value(aggregation, figure)
                count, readable = int(figure[0]), int(figure[1])
                unreadable = 0 if aggregation == Aggregation.COUNT else count - readable
                answer[key] = Usage(Decimal(0) if quantity is None else quantity, count, unreadable)
        return answer

    def query(self, meter: Meter, query: UsageQuery) -> list[UsageRow]:
        aggregation = Aggregation(meter.aggregation)
        groups = [f"g{number}" for number in range(len(query.group_by))]
        columns = [f"{self._group(meter, name)} AS {group}" for name, group in zip(query.group_by, groups, strict=True)]
        events = (
            f"SELECT {', '.join(['time', 'id', f'{_raw(meter.value_property)} AS raw', *columns])},"
            f" {_window(query)} AS w FROM usage.event WHERE {self._conditions(meter, query)}"
        )
        having = "" if aggregation in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT) else "HAVING countIf(readable) > 0"
        by = ", ".join(["w", *groups])
        rows = self._rows(
            f"SELECT {by}, min(time), max(time), {_figure(aggregation)} FROM ({_numbers(events, *groups, 'w')})"
            f" GROUP BY {by} {having} ORDER BY {by} LIMIT {MAX_ROWS + 1}"
        )
        answer = []
        for number, *rest in rows:
            texts, (first, last, *figure) = rest[: len(groups)], rest[len(groups) :]
            start, end = _bounds(query, int(number))
            value = _value(aggregation, figure)
            assert value is not None
            named = zip(query.group_by, texts, strict=True)
            answer.append(
                UsageRow(
                    start=start or query.start or _moment(first),
                    end=end or query.end or _moment(last),
                    value=value,
                    groups=tuple(UUID(text) if name == CUSTOMER and text else text for name, text in named),
                )
            )
        return answer

    def group_values(self, meter: Meter, name: str, *, start: datetime | None, end: datetime | None) -> list[str]:
        conditions = self._conditions(meter, UsageQuery(start=start, end=end))
        return [
            value
            for (value,) in self._rows(
                f"SELECT DISTINCT {self._group(meter, name)} AS value FROM usage.event"
                f" WHERE {conditions} AND value IS NOT NULL ORDER BY value LIMIT {MAX_ROWS}"
            )
        ]

    def _conditions(self, meter: Meter, query: UsageQuery) -> str:
        conditions = [f"type = {_text(meter.event_type)}", _COUNTED]
        conditions += [f"time >= {_number(start)}" for start in (query.start, meter.event_from) if start]
        conditions += [f"time < {_number(end)}" for end in (query.end,) if end]
        if query.subjects is not None:
            conditions.append(_one_of("subject", query.subjects))
        if query.customers is not None:
            conditions.append(_one_of(self._owner(), [str(customer) for customer in query.customers]))
        conditions += [_one_of(self._group(meter, name), values) for name, values in query.filters.items()]
        return " AND ".join(conditions)

    def _group(self, meter: Meter, name: str) -> str:
        if name == SUBJECT:
            return "subject"
        return self._owner() if name == CUSTOMER else _leaf(meter.group_by[name])

    def _owner(self) -> str:
        """The customer who has the event, or NULL. In production, a dictionary over PostgreSQL's table."""
        spans: dict[str, list[str]] = {}
        for owner in self.owners():
            start = -(2**62) if owner.start is None else _number(owner.start)
            end = 2**62 if owner.end is None else _number(owner.end)
            spans.setdefault(owner.subject, []).append(f"({start}, {end}, '{owner.customer_id}')")
        listed = ", ".join(f"{_text(subject)}, [{', '.join(times)}]" for subject, times in spans.items())
        if not listed:
            return "CAST(NULL AS Nullable(String))"
        return f"nullIf(arrayFirst(o -> o.1 <= time AND time < o.2, map({listed})[subject]).3, '')"

    def _rows(self, statement: str) -> list[list[Any]]:
        lines = str(self.session.query(statement, "JSONCompactEachRow")).splitlines()
        return [json.loads(line) for line in lines]

    def _insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            lines = "\n".join(json.dumps(row) for row in rows)
            self.session.query(f"INSERT INTO usage.{table} FORMAT JSONEachRow\n{lines}")


def _numbers(events: str, *kept: str) -> str:
    """The events with their numbers in limbs; `kept` are columns beside key, time, id and raw."""
    names = ", ".join(kept) if kept else "key"
    return (
        f"SELECT {names}, time, id, raw, {READABLE} AS readable, {SPELLED} AS spelled, {LIMBS_OF} AS limbs,"
        f" {PLACES_OF} AS places FROM ({events})"
    )


def _figure(aggregation: Aggregation) -> str:
    """The columns that `_value` reads: events, values that can be used, limbs, places, as texts."""
    limbs, places, usable = _LIMBS.get(aggregation), "maxIf(places, readable)", "countIf(readable)"
    if aggregation == Aggregation.UNIQUE_COUNT:
        return "toString(count()), toString(count(raw)), toString(uniqExact(raw)), ''"
    if limbs is None:
        return "toString(count()), toString(count()), toString(count()), ''"
    return f"toString(count()), toString({usable}), arrayMap(limb -> toString(limb), {limbs}), toString({places})"


def _value(aggregation: Aggregation, figure: Sequence[Any]) -> Decimal | None:
    _, usable, limbs, places = figure
    if aggregation in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT):
        return Decimal(limbs)
    if usable == "0":
        return None
    if aggregation == Aggregation.AVG:
        return average(decimal_of(limbs, int(places)), int(usable))
    return decimal_of(limbs, int(places))


def _window(query: UsageQuery) -> str:
    """Where an event's window begins: microseconds for minutes and hours, else its day or month on the calendar."""
    local = f"toTimeZone(fromUnixTimestamp64Micro(time), {_text(query.time_zone)})"
    if query.window in ("MINUTE", "HOUR"):
        size = 60_000_000 if query.window == "MINUTE" else 3_600_000_000
        return f"time - positiveModulo(time + timeZoneOffset({local}) * 1000000, {size})"
    return {"DAY": f"toYYYYMMDD({local})", "MONTH": f"toYYYYMM({local}) * 100 + 1", None: "0"}[query.window]


def _bounds(query: UsageQuery, number: int) -> tuple[datetime | None, datetime | None]:
    """Start and end of the window that `_window` numbered."""
    if query.window is None:
        return None, None
    if query.window in ("MINUTE", "HOUR"):
        start = _moment(number)
        return start, start + (timedelta(minutes=1) if query.window == "MINUTE" else timedelta(hours=1))
    zone = ZoneInfo(query.time_zone)
    day = date(number // 10000, number // 100 % 100, number % 100)
    after = day + timedelta(days=1) if query.window == "DAY" else (day + timedelta(days=31)).replace(day=1)
    return _midnight(day, zone), _midnight(after, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """As PostgreSQL reads it: one that comes twice is the second, one that does not come is an hour later."""
    once = datetime.combine(day, time(), tzinfo=zone)
    again = once.replace(fold=1)
    offsets = once.utcoffset(), again.utcoffset()
    return (again if offsets[0] > offsets[1] else once).astimezone(UTC)


def _raw(path: str | None) -> str:
    return "CAST(NULL AS Nullable(String))" if path is None else _leaf(path)


def _leaf(path: str) -> str:
    """The text at the path, or NULL. A step that is a number may stand for a place in a list or for a name."""
    ways = [(step, f"[{int(step)}]") if step.isdigit() else (step,) for step in steps(path)]
    names = [_text(".".join(way)) for way in product(*ways)]
    chosen = ", ".join(f"mapContains(leaves, {name}), leaves[{name}]" for name in names)
    return f"multiIf({chosen}, NULL)"


def _leaves(data: str | None) -> Iterator[tuple[str, str]]:
    """Each path of an event's data with what PostgreSQL's `#>>` gives there."""
    if data is not None:
        yield from _leaves_of(json.loads(data, parse_float=Decimal), [])


def _leaves_of(value: Any, way: list[str]) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if way:
        yield ".".join(way), value if isinstance(value, str) else _jsonb(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            if _ASKABLE.fullmatch(name):
                yield from _leaves_of(inner, [*way, name])
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves_of(inner, [*way, f"[{place}]"])


def _jsonb(value: Any) -> str:
    """The value as PostgreSQL writes jsonb: names by length, numbers written out."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return "{" + ", ".join(f"{_jsonb(name)}: {_jsonb(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_jsonb, value)) + "]"
    if isinstance(value, Decimal):
        return format(abs(value) if value == 0 else value, "f")
    return json.dumps(value, ensure_ascii=False)


def _one_of(column: str, values: Sequence[str]) -> str:
    listed = ", ".join(map(_text, values))
    return f"ifNull({column} IN ({listed}), 0)" if listed else "0"


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _number(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def _moment(number: int | str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(number))
