"""The base of every serializer: snake_case here, camelCase on the wire, absent instead of null, nothing unknown."""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

# What every resource shows and nobody sets.
_STAMPS = frozenset({"id", "createdAt", "updatedAt", "deletedAt"})
_REPLACING = ("PUT", "PATCH")
_SHOWN = 80  # characters of a name that we don't know


def to_camel(name: str) -> str:
    """`usage_attribution` -> `usageAttribution`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


class WireSerializer(serializers.Serializer):
    """Fields are declared in snake_case and appear in camelCase; what is validated comes out in snake_case.

    A null that comes in counts as absent, unless the field allows it. A None that goes out is left out, unless the
    field's name is in `keep_null`, because the clients' types tell the two apart.

    A field that isn't declared is an error, at whatever depth: a misspelt one must not be dropped in silence. Only a
    PUT or PATCH may bring along what a GET has shown: ids and times, and what `shown_only` names (as on the wire).
    """

    keep_null: frozenset[str] = frozenset()
    shown_only: frozenset[str] = frozenset()

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = {}
        for name, field in super().get_fields().items():
            wire_name = to_camel(name)
            if wire_name != name:
                if isinstance(field, serializers.SerializerMethodField):
                    field.method_name = field.method_name or f"get_{name}"
                elif field.source is None:
                    field.source = name
            fields[wire_name] = field
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        fields = self.fields
        unknown = self._unknown(data)
        said = {
            name: value
            for name, value in data.items()
            if value is not None or (name in fields and fields[name].allow_null)
        }
        try:
            value = super().to_internal_value(said)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**unknown, **error.detail}) from error  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return value

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        request = self.context.get("request")
        sent_back = _STAMPS | self.shown_only if request is not None and request.method in _REPLACING else frozenset()
        unknown = [name for name in data if name not in self.fields and name not in sent_back]
        return unknown_fields(unknown, [name for name, field in self.fields.items() if not field.read_only])

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {name: value for name, value in shown.items() if value is not None or name in self.keep_null}


def unknown_fields(names: list[str], known: list[str]) -> dict[str, list[ErrorDetail]]:
    """The errors for fields that an object can't have, by their names; each says which ones it can."""
    only = f"Known here: {', '.join(known)}." if known else "None is known here."
    return {name[:_SHOWN]: [ErrorDetail(f"There is no such field. {only}", code="unknown_field")] for name in names}


def refuse_body(data: Any) -> None:
    """Raise ValidationError for a body with something in it where none is read; an empty one says nothing."""
    if isinstance(data, Mapping):
        raise serializers.ValidationError(unknown_fields([str(name) for name in data], []))
    raise serializers.ValidationError("This endpoint reads no body.", code="unknown_field")
