"""Taking in usage events: all of a batch or nothing, each event once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from core import clock
from core.errors import FieldProblem
from core.ids import new_id
from core.rest.times import parse_rfc3339
from core.rest.wire_json import dumps
from entitlements.choices import Aggregation
from entitlements.errors import BadEvent
from entitlements.metering.json_path import is_number, value_at
from entitlements.models import Meter

MAX_BATCH = 10_000
_MAX_TEXT = 256
_MAX_PROBLEMS = 20
_TEXTS = ("id", "source", "type", "subject")
_KNOWN = (*_TEXTS, "specversion", "time", "datacontenttype", "dataschema", "data")
# CloudEvents' documented extensions, which transports add on the way: taken, and not kept.
_EXTENSIONS = (
    *("authclaims", "authid", "authtype", "causationid", "correlationid", "datacategory", "dataclassification"),
    *("dataref", "dataregulation", "deprecated", "deprecationfrom", "deprecationmigration", "deprecationsunset"),
    *("expirytime", "partitionkey", "recordedtime", "sampledrate", "sequence", "sequencetype", "severitynumber"),
    *("severitytext", "traceparent", "tracestate"),
)
_TAKEN = {*_KNOWN, *_EXTENSIONS}


class _Row(NamedTuple):
    source: str
    external_id: str
    type: str
    subject: str
    time: datetime
    data: str | None


def ingest_events(*, events: Sequence[Any], single: bool = False) -> int:
    """Store CloudEvents (as JSON values with exact numbers); how many were new.

    An event is known by its source and id: one that was stored before, or comes twice, is dropped silently. An event
    without a time gets the current one. One that no meter reads is kept: its meter may come later. Raises `BadEvent`
    with the index and field of what is wrong (only the field, where a `single` event was sent), and stores nothing.

    Two queries, however many events; the batch is one statement, so it is there as a whole or not at all.
    """
    if len(events) > MAX_BATCH:
        raise BadEvent(f"A batch has at most {MAX_BATCH} events; this one has {len(events)}. Nothing was stored.")
    now = clock.now()
    meters = _meters_by_type({event["type"] for event in events if _has_type(event)})
    problems: list[FieldProblem] = []
    rows = []
    for index, event in enumerate(events):
        found = list(_problems(event, "" if single else f"{index}.", meters, now))
        if found:
            problems += found
            if len(problems) >= _MAX_PROBLEMS:
                break
        else:
            rows.append(_row(event, now))
    if problems:
        first = problems[0]
        what = "The event was not stored." if single else "None of the batch was stored."
        raise BadEvent(f"{what} {first.field}: {first.message}", problems=problems)
    return _insert(rows, now)


def _has_type(event: Any) -> bool:
    return isinstance(event, Mapping) and isinstance(event.get("type"), str)


def _meters_by_type(types: set[str]) -> Mapping[str, list[Meter]]:
    meters = defaultdict(list)
    for meter in Meter.objects.filter(event_type__in=types, deleted_at=None).exclude(aggregation=Aggregation.COUNT):
        meters[meter.event_type].append(meter)
    return meters


def _problems(event: Any, at: str, meters: Mapping[str, list[Meter]], now: datetime) -> Iterator[FieldProblem]:
    if not isinstance(event, Mapping):
        yield FieldProblem(at.rstrip("."), "invalid", "An event must be an object.")
        return
    for name in event.keys() - _TAKEN:
        message = f"There is no such field. Known here: {', '.join(_KNOWN)}, and CloudEvents' extensions."
        yield FieldProblem(f"{at}{name[:_MAX_TEXT]}", "unknown_field", message)
    for name in _TEXTS:
        value = event.get(name)
        if value is None or value == "":
            yield FieldProblem(f"{at}{name}", "required", f"Every event needs its {name}.")
        elif not isinstance(value, str):
            yield FieldProblem(f"{at}{name}", "invalid", "Must be a text.")
        elif len(value) > _MAX_TEXT:
            yield FieldProblem(f"{at}{name}", "max_length", f"Longer than {_MAX_TEXT} characters.")
    if event.get("specversion", "1.0") not in ("1.0", None):
        yield FieldProblem(f"{at}specversion", "invalid", 'Must be "1.0".')
    if event.get("datacontenttype") not in (None, "application/json"):
        yield FieldProblem(f"{at}datacontenttype", "invalid", "Must be application/json.")
    if not isinstance(event.get("dataschema"), str | None):
        yield FieldProblem(f"{at}dataschema", "invalid", "Must be a text.")
    time = event.get("time")
    moment = parse_rfc3339(time) if isinstance(time, str) else None
    if time is not None and moment is None:
        message = "Not an RFC 3339 time with an offset: for example 2026-03-17T00:00:00Z."
        yield FieldProblem(f"{at}time", "invalid", message)
    data = event.get("data")
    if not isinstance(data, Mapping | None):
        yield FieldProblem(f"{at}data", "invalid", "Must be an object.")
    elif _has_type(event):
        for meter in meters.get(event["type"], ()):
            if meter.event_from is None or (moment or now) >= meter.event_from:
                yield from _value_problems(data, at, meter)


def _value_problems(data: Any, at: str, meter: Meter) -> Iterator[FieldProblem]:
    path = meter.value_property or ""
    value = value_at(data, path)
    field = f"{at}data{path[1:]}"
    if value is None:
        yield FieldProblem(field, "required", f"The meter {meter.key} reads {path}, and there is nothing.")
    elif meter.aggregation == Aggregation.UNIQUE_COUNT:
        if not isinstance(value, str) and not is_number(value):
            yield FieldProblem(field, "invalid", f"The meter {meter.key} counts texts here, and this is none.")
    elif not is_number(value):
        yield FieldProblem(field, "invalid", f"The meter {meter.key} reads a number here, and this is none.")


def _row(event: Mapping[str, Any], now: datetime) -> _Row:
    time, data = event.get("time"), event.get("data")
    moment = parse_rfc3339(time) if time else None
    return _Row(
        event["source"],
        event["id"],
        event["type"],
        event["subject"],
        moment or now,
        None if data is None else dumps(data),
    )


def _insert(rows: list[_Row], now: datetime) -> int:
    if not rows:
        return 0
    # In one order, so that two batches with the same events queue up instead of locking each other out.
    rows.sort(key=lambda row: (row.source, row.external_id))
    ids = [new_id() for _ in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO entitlements_usageevent (id, source, external_id, type, subject, time, data, ingested_at)
            SELECT id, source, external_id, type, subject, time, data::jsonb, %s
            FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
              AS event(id, source, external_id, type, subject, time, data)
            ON CONFLICT (source, external_id) DO NOTHING
            """,
            [now, ids, *(list(column) for column in zip(*rows, strict=True))],
        )
        stored: int = cursor.rowcount
        return stored
