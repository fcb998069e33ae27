"""Reads the JSON by which events are filtered, `{"subject": {"$in": ["acme"]}, "time": {"$gte": "..."}}`: what is said
of several fields, or by several operators, has to hold together."""

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final, NoReturn
from uuid import UUID

from django.db.models import F, Lookup, Q, Value
from rest_framework.exceptions import ValidationError

from core.ids import from_text
from core.rest.times import parse_rfc3339
from core.rest.wire_json import JSONProblem, loads
from entitlements.metering.list_events import EventFilter

_TEXTS: Final = {"id": "external_id", "source": "source", "subject": "subject", "type": "type"}
_TIMES: Final = {"time": "time", "ingestedAt": "ingested_at"}
_KNOWN: Final = ("id", "source", "subject", "customerId", "type", "time", "ingestedAt")
_BOUNDS: Final = ("$gt", "$gte", "$lt", "$lte")
_OF_TEXTS: Final = ("$eq", "$ne", "$in", "$nin", "$like", "$nlike", "$ilike", "$nilike", *_BOUNDS, "$and", "$or")
_OF_TIMES: Final = (*_BOUNDS, "$and", "$or")
_MAX_TEXT, _MAX_VALUES, _MAX_CONDITIONS, _MAX_DEPTH = 1024, 100, 100, 5


class _Like(Lookup):
    """`%` stands for any text, `_` for any character, `\\` before one for itself."""

    lookup_name = "sql_like"
    written = "LIKE"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} {self.written} {right}", [*left_params, *right_params]


class _ILike(_Like):
    lookup_name = "sql_ilike"
    written = "ILIKE"


def read_filter(text: str | None) -> EventFilter:
    """What the `filter` of a request asks for; a 400 that says where it can't be read, and what is known there."""
    if not text:
        return EventFilter()
    try:
        given = loads(text.encode())
    except (JSONProblem, UnicodeEncodeError) as error:
        _refuse("filter", f"Can't be read as JSON: {error}")
    said = dict(_parts(given, "filter", _KNOWN))
    reading = _Reading()
    times = Q()
    # What has to hold of the time at any rate leads to the events; only what is left has to be looked at.
    bounded = dict(_parts(said.get("time", {}), "filter.time", _OF_TIMES))
    for operation in _BOUNDS:
        if operation in bounded:
            moment = _moment(bounded.pop(operation), f"filter.time.{operation}")
            times &= Q(**{f"time__{operation[1:]}": moment})
    conditions = reading.condition("time", bounded, "filter.time", 1)
    for name in said:
        if name not in ("time", "customerId"):
            conditions &= reading.condition(name, said[name], f"filter.{name}", 1)
    return EventFilter(
        conditions,
        times,
        _pinned(said.get("id")),
        _pinned(said.get("source")),
        _pinned(said.get("subject")),
        _customers(said["customerId"]) if "customerId" in said else None,
    )


class _Reading:
    """Reads conditions, and counts them: all of them are asked of each event that is looked at."""

    def __init__(self) -> None:
        self.count = 0

    def condition(self, name: str, given: Any, at: str, depth: int) -> Q:
        known = _OF_TEXTS if name in _TEXTS else _OF_TIMES
        found = Q()
        for operation, value in _parts(given, at, known):
            where = f"{at}.{operation}"
            self.count += 1
            if self.count > _MAX_CONDITIONS:
                _refuse(where, f"A filter has at most {_MAX_CONDITIONS} conditions.")
            if operation in ("$and", "$or"):
                if not isinstance(value, list) or not value:
                    _refuse(where, "Must be an array of filters, with one at least.")
                if depth >= _MAX_DEPTH:
                    _refuse(where, f"Nested deeper than {_MAX_DEPTH} levels.")
                join: Callable[[Q, Q], Q] = operator.and_ if operation == "$and" else operator.or_
                inner = [self.condition(name, each, f"{where}.{n}", depth + 1) for n, each in enumerate(value)]
                # What says nothing lets everything through, also as one of several.
                open_to_all = operation == "$or" and not all(inner)
                found &= Q() if open_to_all else reduce(join, inner)
            elif name in _TIMES:
                found &= Q(**{f"{_TIMES[name]}__{operation[1:]}": _moment(value, where)})
            else:
                found &= _text_condition(_TEXTS[name], operation, value, where)
        return found


def _text_condition(field: str, operation: str, value: Any, where: str) -> Q:
    if operation in ("$in", "$nin"):
        texts = Q(**{f"{field}__in": _texts(value, where)})
        return texts if operation == "$in" else ~texts
    text = _text(value, where)
    if operation in ("$eq", "$ne"):
        return Q(**{field: text}) if operation == "$eq" else ~Q(**{field: text})
    if operation in _BOUNDS:
        return Q(**{f"{field}__{operation[1:]}": text})
    if (len(text) - len(text.rstrip("\\"))) % 2:
        _refuse(where, "A pattern can't end with a backslash, which stands before a character that means itself.")
    like = Q((_ILike if "ilike" in operation else _Like)(F(field), Value(text)))
    return ~like if operation.startswith("$n") else like


def _parts(given: Any, at: str, known: tuple[str, ...]) -> list[tuple[str, Any]]:
    """The members that say something; a client writes null for what it leaves out."""
    if not isinstance(given, Mapping):
        _refuse(at, f"Must be an object. Known here: {', '.join(known)}.")
    for name in given:
        if name not in known:
            _refuse(f"{at}.{name[:64]}", f"There is no such member. Known here: {', '.join(known)}.", "unknown_field")
    return [(name, value) for name, value in given.items() if value is not None]


def _pinned(given: Any) -> list[str] | None:
    """The values of which it has to be one; None where it may be any other."""
    if given is None:
        return None
    if given.get("$eq") is not None:
        return [given["$eq"]]
    values: list[str] | None = given.get("$in")
    return values


def _customers(given: Any) -> list[UUID] | None:
    for _, value in _parts(given, "filter.customerId", ("$in",)):
        ids = [from_text(text) for text in _texts(value, "filter.customerId.$in")]
        if None in ids:
            _refuse("filter.customerId.$in", "Not an id: give its 26 characters.")
        return [each for each in ids if each is not None]
    return None


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list):
        _refuse(where, "Must be an array of texts.")
    if len(value) > _MAX_VALUES:
        _refuse(where, f"At most {_MAX_VALUES} values can be given.")
    return [_text(each, where) for each in value]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or "\x00" in value:
        _refuse(where, f"Must be a text of at most {_MAX_TEXT} characters, without NUL.")
    return value


def _moment(value: Any, where: str) -> Any:
    moment = parse_rfc3339(value) if isinstance(value, str) else None
    if moment is None:
        _refuse(where, "Not an RFC 3339 time with an offset: for example 2026-03-17T00:00:00Z.")
    return moment


def _refuse(where: str, message: str, code: str = "invalid") -> NoReturn:
    raise ValidationError({where: [message]}, code=code)
