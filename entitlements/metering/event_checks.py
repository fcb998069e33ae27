"""Owns what is wrong with an event: its attributes, its time, and the values that meters read from it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from core.errors import FieldProblem
from core.rest.times import parse_rfc3339
from core.rest.wire_json import dumps
from entitlements.choices import Aggregation
from entitlements.metering.json_path import is_number, value_at

MAX_TEXT = 256
_MAX_PROBLEMS = 20  # of one event
_TEXTS = ("id", "source", "type", "subject")
_KNOWN = (*_TEXTS, "specversion", "time", "datacontenttype", "dataschema", "data")
# CloudEvents' documented extensions, which transports add on the way: taken, and not kept.
_EXTENSIONS = (
    *("authclaims", "authid", "authtype", "causationid", "correlationid", "datacategory", "dataclassification"),
    *("dataref", "dataregulation", "deprecated", "deprecationfrom", "deprecationmigration", "deprecationsunset"),
    *("expirytime", "partitionkey", "recordedtime", "sampledrate", "sequence", "sequencetype", "severitynumber"),
    *("severitytext", "traceparent", "tracestate"),
)
_TAKEN = frozenset({*_KNOWN, *_EXTENSIONS})
_PLAIN = frozenset({*_TEXTS, "time", "data", "specversion"})
_MOST = 10**60  # in every reading of a meter; see `json_path.NUMBER_PATTERN`
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class MeterCheck(NamedTuple):
    """What a meter asks of the events of its type."""

    key: str
    aggregation: str
    path: str
    event_from: datetime | None


class TimeBounds(NamedTuple):
    """Events are taken whose time lies in `[first, last]`, in UTC; `first` is None where any old time is. `now` is the
    time of those that name none."""

    now: datetime
    first: datetime | None
    last: datetime


# An event in good order: source, id, time, type, subject, data as JSON text.
Checked = tuple[str, str, datetime, str, str, str | None]


def checked(event: Any, bounds: TimeBounds, meters: Mapping[str, Sequence[MeterCheck]]) -> Checked | None:
    """The event where all is well with it, as most are; None where `problems_of` has to look closer."""
    if type(event) is not dict or not _PLAIN.issuperset(event):
        return None
    try:
        external_id, source, kind, subject = event["id"], event["source"], event["type"], event["subject"]
        if not (type(external_id) is type(source) is type(kind) is type(subject) is str):
            return None
        if not (0 < len(external_id) <= MAX_TEXT and 0 < len(source) <= MAX_TEXT):
            return None
        if not (0 < len(kind) <= MAX_TEXT and 0 < len(subject) <= MAX_TEXT):
            return None
        if "\x00" in external_id + source + kind + subject:
            return None
    except KeyError:
        return None
    if event.get("specversion", "1.0") != "1.0":
        return None
    time, data = event.get("time"), event.get("data")
    moment = bounds.now
    if time is not None:
        told = _moment(time) if type(time) is str else None
        if told is None or told > bounds.last or (bounds.first is not None and told < bounds.first):
            return None
        moment = told
    text = None
    if data is not None:
        if type(data) is not dict:
            return None
        try:
            text = dumps(data)
        except ValueError:
            return None
        if "\\u0000" in text and _NUL.search(text):
            return None
    for meter in meters.get(kind, ()):
        if meter.event_from is not None and moment < meter.event_from:
            continue
        value = value_at(data, meter.path)
        if type(value) is int and -_MOST < value < _MOST:
            continue
        if value is None or not (
            (meter.aggregation == Aggregation.UNIQUE_COUNT and isinstance(value, str)) or is_number(value)
        ):
            return None
    return source, external_id, moment, kind, subject, text


def _moment(text: str) -> datetime | None:
    # The usual form, read ten times faster.
    # (With a day of a month: a week's, 2026-W12-2, has no hyphen there, and is no RFC 3339.)
    if len(text) == 20 and text[19] == "Z" and text[10] == "T" and text[4] == text[7] == "-" and text[13] == ":":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        if 1970 <= moment.year <= 2999 and text[16] == ":" and text.isascii():
            return moment
    return parse_rfc3339(text)


def problems_of(
    event: Any, at: str, bounds: TimeBounds, meters: Mapping[str, Sequence[MeterCheck]]
) -> list[FieldProblem]:
    """All that is wrong with the event, at most 20 things; `at` goes before the names of its fields."""
    return [problem for problem, _ in zip(_problems(event, at, bounds, meters), range(_MAX_PROBLEMS), strict=False)]


def read(event: Mapping[str, Any], bounds: TimeBounds) -> Checked:
    """The event that has no problems, however it is spelled."""
    time, data = event.get("time"), event.get("data")
    moment = (parse_rfc3339(time) if time else None) or bounds.now
    text = None if data is None else dumps(data)
    return event["source"], event["id"], moment, event["type"], event["subject"], text


def _problems(
    event: Any, at: str, bounds: TimeBounds, meters: Mapping[str, Sequence[MeterCheck]]
) -> Iterator[FieldProblem]:
    if not isinstance(event, Mapping):
        yield FieldProblem(at.rstrip("."), "invalid", "An event must be an object.")
        return
    for name in event.keys() - _TAKEN:
        message = f"There is no such field. Known here: {', '.join(_KNOWN)}, and CloudEvents' extensions."
        yield FieldProblem(f"{at}{str(name)[:MAX_TEXT]}", "unknown_field", message)
    for name in _TEXTS:
        value = event.get(name)
        if value is None or value == "":
            yield FieldProblem(f"{at}{name}", "required", f"Every event needs its {name}.")
        elif not isinstance(value, str):
            yield FieldProblem(f"{at}{name}", "invalid", "Must be a text.")
        elif len(value) > MAX_TEXT:
            yield FieldProblem(f"{at}{name}", "max_length", f"Longer than {MAX_TEXT} characters.")
        elif "\x00" in value:
            yield FieldProblem(f"{at}{name}", "invalid", "Holds the NUL character, which can't be stored.")
    if event.get("specversion", "1.0") not in ("1.0", None):
        yield FieldProblem(f"{at}specversion", "invalid", 'Must be "1.0".')
    if event.get("datacontenttype") not in (None, "application/json"):
        yield FieldProblem(f"{at}datacontenttype", "invalid", "Must be application/json.")
    if not isinstance(event.get("dataschema"), str | None):
        yield FieldProblem(f"{at}dataschema", "invalid", "Must be a text.")
    moment = bounds.now
    if (time := event.get("time")) is not None:
        read_time = parse_rfc3339(time) if isinstance(time, str) else None
        if read_time is None:
            message = "Not an RFC 3339 time with an offset: for example 2026-03-17T00:00:00Z."
            yield FieldProblem(f"{at}time", "invalid", message)
        else:
            moment = read_time
            yield from _time_problems(moment, at, bounds)
    data = event.get("data")
    if not isinstance(data, Mapping | None):
        yield FieldProblem(f"{at}data", "invalid", "Must be an object.")
        return
    if (unstorable := _unstorable(data)) is not None:
        yield FieldProblem(f"{at}data", "invalid", unstorable)
    kind = event.get("type")
    for meter in meters.get(kind, ()) if isinstance(kind, str) else ():
        if meter.event_from is None or moment >= meter.event_from:
            yield from _value_problems(data, at, meter)


def _time_problems(moment: datetime, at: str, bounds: TimeBounds) -> Iterator[FieldProblem]:
    if moment > bounds.last:
        message = f"Later than {bounds.last:%Y-%m-%dT%H:%M:%SZ}, the latest time that is taken now. Is the clock right?"
        yield FieldProblem(f"{at}time", "too_far_ahead", message)
    if bounds.first is not None and moment < bounds.first:
        message = f"Before {bounds.first:%Y-%m-%dT%H:%M:%SZ}: events of that time are no longer kept."
        yield FieldProblem(f"{at}time", "too_old", message)


def _unstorable(data: Mapping[str, Any] | None) -> str | None:
    try:
        text = "" if data is None else dumps(data)
        text.encode()
    except (ValueError, TypeError):
        return "Holds a number or a character that JSON does not have."
    return "Holds the NUL character, which can't be stored." if _NUL.search(text) else None


def _value_problems(data: Any, at: str, meter: MeterCheck) -> Iterator[FieldProblem]:
    value = value_at(data, meter.path)
    field = f"{at}data{meter.path[1:]}"
    if value is None:
        yield FieldProblem(field, "required", f"The meter {meter.key} reads {meter.path}, and there is nothing.")
    elif meter.aggregation == Aggregation.UNIQUE_COUNT:
        if not isinstance(value, str) and not is_number(value):
            yield FieldProblem(field, "invalid", f"The meter {meter.key} counts texts here, and this is none.")
    elif not is_number(value):
        yield FieldProblem(field, "invalid", f"The meter {meter.key} reads a number here, and this is none.")
