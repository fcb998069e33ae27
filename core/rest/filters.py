"""Filters that lists share, on top of django-filter: RFC 3339 times, ids, repeated keys, deepObject."""

import re
from collections.abc import Mapping
from typing import Any

import django_filters
from django import forms
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from core.ids import from_text

from .fields import ULID_PATTERN
from .times import parse_rfc3339

MAX_FILTER_LENGTH = 1024
MAX_REPEATED = 100


class _TimeFormField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        moment = parse_rfc3339(text)
        if moment is None:
            wrong = "Not an RFC 3339 time with an offset: for example 2026-03-17T00:00:00Z."
            raise forms.ValidationError(wrong, code="invalid")
        return moment


@extend_schema_field(OpenApiTypes.DATETIME)
class TimeFilter(django_filters.Filter):
    """A moment in RFC 3339."""

    field_class = _TimeFormField


class _BooleanFormField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text not in ("", "true", "false"):
            raise forms.ValidationError("Must be true or false.", code="invalid")
        return {"true": True, "false": False}.get(text)


@extend_schema_field(OpenApiTypes.BOOL)
class BooleanFilter(django_filters.Filter):
    """`true` or `false`, and nothing else."""

    field_class = _BooleanFormField


class _RepeatedWidget(forms.SelectMultiple):
    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return list(data.getlist(name) if isinstance(data, QueryDict) else data.get(name, []))


class _RepeatedFormField(forms.Field):
    widget = _RepeatedWidget
    item_error = "Not a text that can be looked for."

    def clean(self, value: list[str]) -> list[Any] | None:
        if len(value) > MAX_REPEATED:
            raise forms.ValidationError(f"At most {MAX_REPEATED} values can be given.", code="too_many")
        items = [self.item(text) for text in value]
        if any(item is None for item in items):
            raise forms.ValidationError(self.item_error, code="invalid")
        return items or None

    def item(self, text: str) -> Any:
        return None if "\x00" in text or len(text) > MAX_FILTER_LENGTH else text


class _RepeatedIdFormField(_RepeatedFormField):
    item_error = "Not an id: give its 26 characters."

    def item(self, text: str) -> Any:
        return from_text(text)


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class AnyOfFilter(django_filters.Filter):
    """Repeated keys: any of the values."""

    field_class = _RepeatedFormField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("lookup_expr", "in")
        super().__init__(*args, **kwargs)


@extend_schema_field({"type": "array", "items": {"type": "string", "pattern": ULID_PATTERN}})
class AnyIdFilter(AnyOfFilter):
    """Repeated keys: any of the ids."""

    field_class = _RepeatedIdFormField


class WireFilterSet(django_filters.FilterSet):
    """The base of filter sets: filters are declared by their wire names; an unreadable value is a 400."""


_DEEP = re.compile(r"\[([^\[\]]*)\]")


def deep_object(params: QueryDict, name: str) -> Mapping[str, list[str]]:
    """What `name[key]=value` says: `filterGroupBy[model]=a&filterGroupBy[model]=b` -> `{"model": ["a", "b"]}`.

    A bare `name=...` is a 400 that says how to write it: some clients send the repr of an object there.
    """
    if name in params:
        raise ValidationError({name: [f"Write it as {name}[key]=value, or send the query as a POST."]})
    found: dict[str, list[str]] = {}
    for parameter in params:
        if parameter.startswith(f"{name}["):
            match = _DEEP.fullmatch(parameter, len(name))
            values = params.getlist(parameter)
            if not match or not match[1] or any("\x00" in text for text in [match[1], *values]):
                raise ValidationError({name: [f"Can't read {parameter!r}: write it as {name}[key]=value."]})
            found[match[1]] = values
    return found
