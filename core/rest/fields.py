"""Serializer fields for the types that the wire knows: ids, decimal strings, keys, times, durations, metadata."""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import from_text, to_text
from core.periods import read_duration

from .times import parse_rfc3339
from .wire_json import number_text, utc_text

KEY_PATTERN = r"^[a-z0-9]+(?:_[a-z0-9]+)*$"
NUMERIC_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
ULID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"

_numeric = re.compile(NUMERIC_PATTERN, re.ASCII)


class TextField(serializers.CharField):
    """A text. Numbers and booleans are refused: they are mistakes, not texts."""

    default_error_messages = {"invalid": "Not a text."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 1024)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class KeyField(TextField):
    """A key: lower-case letters, digits and single underscores, at most 64."""

    default_error_messages = {
        "bad_key": "Use lower-case letters and digits, with single underscores between them; at most 64 characters."
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 64)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if value and not re.fullmatch(KEY_PATTERN, value):
            self.fail("bad_key")
        return value


@extend_schema_field({"type": "string", "pattern": ULID_PATTERN, "example": "01G65Z755AFWAKHE12NY0CQ9FH"})
class ULIDField(serializers.Field):
    """An id: a UUID inside, 26 characters outside."""

    default_error_messages = {"invalid": "Not an id: give its 26 characters."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        value = from_text(data) if isinstance(data, str) else None
        if value is None:
            self.fail("invalid")
        return value

    def to_representation(self, value: uuid.UUID) -> str:
        return to_text(value)


@extend_schema_field({"type": "string", "pattern": NUMERIC_PATTERN, "example": "29.90"})
class DecimalStringField(serializers.Field):
    """Money or a quantity: a decimal string. A JSON number is taken too, since our parser keeps it exact.

    `places` bounds the digits after the point, `digits` those before it; what has more is refused, never rounded.
    """

    default_error_messages = {
        "invalid": 'Not a decimal number: give a text such as "29.90".',
        "places": "More than {places} decimal places.",
        "digits": "More than {digits} digits before the decimal point.",
        "negative": "Must not be negative.",
        "not_positive": "Must be greater than zero.",
    }

    def __init__(
        self, *, places: int = 12, digits: int = 15, negative: bool = True, zero: bool = True, **kwargs: Any
    ) -> None:
        self.places, self.digits, self.negative, self.zero = places, digits, negative, zero
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, (str, int, Decimal)):
            self.fail("invalid")
        if isinstance(data, str) and (len(data) > 64 or not _numeric.match(data)):
            self.fail("invalid")
        try:
            value = Decimal(data)
        except InvalidOperation:
            self.fail("invalid")
        if abs(value.adjusted()) > self.digits + self.places and value:
            self.fail("digits", digits=self.digits) if value.adjusted() > 0 else self.fail("places", places=self.places)
        if -int(value.normalize().as_tuple().exponent) > self.places:
            self.fail("places", places=self.places)
        if value and value.adjusted() >= self.digits:
            self.fail("digits", digits=self.digits)
        if value < 0 and not self.negative:
            self.fail("negative")
        if value <= 0 and not self.zero:
            self.fail("not_positive")
        return value

    def to_representation(self, value: Decimal) -> str:
        return number_text(value)


@extend_schema_field({"type": "string", "pattern": NUMERIC_PATTERN, "example": "29.90"})
class MoneyField(serializers.Field):
    """An amount of money on the way out: the digits that were stored, trailing zeros and all."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Decimal) -> str:
        return format(value, "f")


@extend_schema_field(OpenApiTypes.NUMBER)
class NumberField(serializers.Field):
    """A JSON number: meter values, balances, percentages. Exact in both directions."""

    default_error_messages = {
        "invalid": "Not a number.",
        "min": "Must be at least {limit}.",
        "max": "Must be at most {limit}.",
    }

    def __init__(self, *, minimum: int | None = None, maximum: int | None = None, **kwargs: Any) -> None:
        self.minimum, self.maximum = minimum, maximum
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, (int, Decimal)):
            self.fail("invalid")
        value = Decimal(data)
        if self.minimum is not None and value < self.minimum:
            self.fail("min", limit=self.minimum)
        if self.maximum is not None and value > self.maximum:
            self.fail("max", limit=self.maximum)
        return value

    def to_representation(self, value: Decimal) -> Decimal:
        return Decimal(value)


@extend_schema_field(OpenApiTypes.DATETIME)
class TimeField(serializers.Field):
    """A moment: RFC 3339 with an offset, kept in UTC, written with `Z`."""

    default_error_messages = {
        "invalid": "Not an RFC 3339 time with an offset, between 1970 and 2999: for example 2026-03-17T00:00:00Z."
    }

    def to_internal_value(self, data: Any) -> datetime:
        moment = parse_rfc3339(data) if isinstance(data, str) else None
        if moment is None:
            self.fail("invalid")
        return moment

    def to_representation(self, value: datetime) -> str:
        return utc_text(value)


class DurationField(TextField):
    """An ISO 8601 duration as text, for example P1M. What it means is for the service to say."""

    default_error_messages = {"bad_duration": "Not an ISO 8601 duration, for example P1M."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 32)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if read_duration(value) is None:
            self.fail("bad_duration")
        return value


class CadenceField(DurationField):
    """A billing cadence. A span of days or months that is another name for one of ours becomes that one: the Python
    client writes seven days as P7D, never as P1W."""

    _SAME = {"P7D": "P1W", "P14D": "P2W", "P28D": "P4W", "P12M": "P1Y"}

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        return self._SAME.get(value, value)


class CurrencyField(TextField):
    """A currency code of three capital letters. Whether we know it is for the service to say."""

    default_error_messages = {"bad_currency": "Not a currency code of three capital letters, for example EUR."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 3)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not re.fullmatch(r"[A-Z]{3}", value):
            self.fail("bad_currency")
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class TextMapField(serializers.Field):
    """An object of texts: metadata, group-by expressions."""

    default_error_messages = {
        "invalid": "Not an object of texts.",
        "too_many": "More than {limit} entries.",
        "too_long": "The entry {entry!r} is longer than {limit} characters.",
    }
    max_entries, max_length = 100, 2048

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        if len(data) > self.max_entries:
            self.fail("too_many", limit=self.max_entries)
        for key, value in data.items():
            if len(key) > self.max_length or len(value) > self.max_length:
                self.fail("too_long", entry=key[:40], limit=self.max_length)
        return dict(data)

    def to_representation(self, value: Mapping[str, str]) -> dict[str, str]:
        return dict(value)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(serializers.Field):
    """Any JSON object."""

    default_error_messages = {"invalid": "Not an object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def to_representation(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return dict(value)
