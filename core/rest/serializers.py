"""The base of every serializer: snake_case in Python, camelCase on the wire, absent instead of null."""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


def to_camel(name: str) -> str:
    """`usage_attribution` -> `usageAttribution`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


class WireSerializer(serializers.Serializer):
    """Fields are declared in snake_case and appear in camelCase; what is validated comes out in snake_case.

    A null that comes in counts as absent, unless the field allows it. A None that goes out is left out, unless the
    field's name is in `keep_null`, because the clients' types tell the two apart.
    """

    keep_null: frozenset[str] = frozenset()

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
        if isinstance(data, Mapping):
            fields = self.fields
            data = {
                name: value
                for name, value in data.items()
                if value is not None or (name in fields and fields[name].allow_null)
            }
        return super().to_internal_value(data)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {name: value for name, value in shown.items() if value is not None or name in self.keep_null}
