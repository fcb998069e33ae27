"""Exact JSON: numbers come in as `int` or `Decimal`, never as floats, and `Decimal` goes out as the number it is."""

import json
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from core.ids import to_text

MAX_DEPTH = 64
# Longer numbers than these are attacks or mistakes: no amount, quantity or measurement needs them.
MAX_NUMBER_LENGTH = 64
MAX_EXPONENT = 400
# Numbers go out, and are stored, with all their digits: four characters such as 1e400 come to 401. So many digits more
# than it has characters may a body come to.
MAX_WRITTEN_OUT = 8_000_000


class JSONProblem(ValueError):
    """The text is no JSON that we take; the message says why, in words for the caller."""


class _Allowance(threading.local):
    """What is left to the body that this thread reads."""

    digits = MAX_WRITTEN_OUT


_allowance = _Allowance()


def _parse_int(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        raise JSONProblem(f"A number has more than {MAX_NUMBER_LENGTH} digits.")
    return int(text)


def _parse_decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        raise JSONProblem(f"A number has more than {MAX_NUMBER_LENGTH} digits.")
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
        raise JSONProblem(f"The number {text} is out of range.")
    further = abs(value.adjusted()) - len(text)
    if further > 0:
        _allowance.digits -= further
        if _allowance.digits < 0:
            raise JSONProblem("The body's numbers with exponents come to millions of digits.")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise JSONProblem(f"{text} is not a JSON number.")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        seen: set[str] = set()
        twice = next(name for name, _ in members if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise JSONProblem(f"An object has {twice[:64]!a} more than once: which of them counts?")
    return value


_decoder = json.JSONDecoder(
    parse_int=_parse_int, parse_float=_parse_decimal, parse_constant=_refuse_constant, object_pairs_hook=_object
)


def loads(raw: bytes) -> Any:
    """The value that UTF-8 JSON text spells.

    Raises `JSONProblem` for broken text, NaN and Infinity, giant numbers and too many large ones, nesting beyond 64
    levels, names that come twice in one object, and characters that PostgreSQL can't store (NUL, halves of surrogate
    pairs).
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JSONProblem("The body is not UTF-8 text.") from error
    _allowance.digits = MAX_WRITTEN_OUT
    try:
        value = _decoder.decode(text)
    except RecursionError as error:
        raise JSONProblem(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
    except json.JSONDecodeError as error:
        raise JSONProblem(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    # Only escapes can smuggle these characters in, so ordinary bodies skip the walk.
    _check(value, strings="\\u0000" in text or "\\ud" in text or "\\uD" in text)
    return value


def _check(value: Any, *, strings: bool) -> None:
    level = [value] if strings else _containers([value])
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        if strings:
            for item in level:
                _check_strings(item)
        below = [
            child
            for item in level
            if type(item) is dict or type(item) is list
            for child in (item.values() if type(item) is dict else item)
        ]
        level = below if strings else _containers(below)
    if level:
        raise JSONProblem(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _containers(items: list[Any]) -> list[Any]:
    # Exactly these types: the decoder makes no others.
    return [item for item in items if type(item) is dict or type(item) is list]


def _check_strings(item: Any) -> None:
    texts = item if isinstance(item, dict) else [item] if isinstance(item, str) else []
    for text in texts:
        if "\x00" in text:
            raise JSONProblem("A text holds the NUL character, which can't be stored.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise JSONProblem("A text holds half of a surrogate pair, which is no character.") from error


class _NeedsExactNumbers(Exception):
    pass


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _NeedsExactNumbers
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, uuid.UUID):
        return to_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)) or hasattr(value, "__iter__"):
        return list(value)
    return str(value)


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_default)
# What `_encoder.encode` makes anew each time, for more than the encoding of an event's data. Only CPython has it.
_made = getattr(json.encoder, "c_make_encoder", None)
_at_once = _made and _made(None, _default, json.encoder.encode_basestring, None, ":", ",", False, False, False)


def dumps(value: Any) -> str:
    """Compact JSON text. `Decimal` becomes a plain JSON number with all its digits, ids their 26 characters."""
    try:
        if _at_once is not None and type(value) is dict:
            return "".join(_at_once(value, 0))
        return _encoder.encode(value)
    except _NeedsExactNumbers:
        return _exact(value)


def indented(value: Any, indent: str = "") -> str:
    """The same for people to read: a line for each member and item, two spaces deeper at each level."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{dumps(str(key))}: {indented(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, (list, tuple)) and value:
        return "[\n" + ",\n".join(deeper + indented(item, deeper) for item in value) + f"\n{indent}]"
    return dumps(value)


def _exact(value: Any) -> str:
    # The C encoder can't write a number of our own making; this is the slow way for the bodies that need it.
    if isinstance(value, dict):
        return "{" + ",".join(f"{_encoder.encode(str(key))}:{_exact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_exact, value)) + "]"
    if isinstance(value, Decimal):
        return number_text(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return _encoder.encode(value)
    return _exact(_plain(value))


def number_text(value: Decimal) -> str:
    """Plain digits without an exponent and without trailing zeros: `100`, `0.25`. ValueError where it is not finite."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a JSON number.")
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, with microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
