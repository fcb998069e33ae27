"""Meters, their queries, and events on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from core.rest.fields import KeyField, NumberField, ObjectField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.wire_json import loads
from entitlements.choices import Aggregation
from entitlements.metering.usage_query import WINDOWS


class MeterUpdateSerializer(WireSerializer):
    """What a meter measures stays what it is."""

    shown_only = frozenset({"slug", "aggregation", "eventType", "eventFrom", "valueProperty"})

    name = TextField(required=False, max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    group_by = TextMapField(required=False)


class MeterCreateSerializer(MeterUpdateSerializer):
    slug = KeyField()
    aggregation = serializers.ChoiceField(choices=Aggregation.values)
    event_type = TextField(max_length=256)
    event_from = TimeField(required=False)
    value_property = TextField(required=False, max_length=512)


class MeterSerializer(WireSerializer):
    id = ULIDField()
    slug = KeyField(source="key")
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    aggregation = serializers.ChoiceField(choices=Aggregation.values)
    event_type = TextField()
    event_from = TimeField(required=False)
    value_property = TextField(required=False)
    group_by = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "$eq": {"type": "string"},
                "$in": {"type": "array", "items": {"type": "string"}},
            },
        },
    }
)
class AnyOfMapField(serializers.Field):
    """Dimension to the values of which any will do: `{"model": {"$in": ["a", "b"]}}` or `{"model": {"$eq": "a"}}`."""

    default_error_messages = {
        "invalid": 'Write it as {{"dimension": {{"$in": ["value", ...]}}}} or {{"dimension": {{"$eq": "value"}}}}; '
        "other operators are not offered."
    }

    def to_internal_value(self, data: Any) -> dict[str, list[str]]:
        if not isinstance(data, dict):
            self.fail("invalid")
        found = {}
        for name, condition in data.items():
            given = {k: v for k, v in condition.items() if v is not None} if isinstance(condition, dict) else {}
            values = given.get("$in") if set(given) == {"$in"} else [given["$eq"]] if set(given) == {"$eq"} else None
            if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
                self.fail("invalid")
            found[name] = values
        return found

    def to_representation(self, value: dict[str, list[str]]) -> dict[str, Any]:
        return {name: {"$in": values} if len(values) > 1 else {"$eq": values[0]} for name, values in value.items()}


class EventSerializer(WireSerializer):
    """CloudEvents 1.0. Only describes: ingest reads events without serializers, because there are many of them."""

    id = TextField(max_length=256)
    source = TextField(max_length=256)  # type: ignore[assignment]
    specversion = serializers.ChoiceField(choices=["1.0"], default="1.0")
    type = TextField(max_length=256)
    subject = TextField(max_length=256)
    time = TimeField(required=False, allow_null=True)
    datacontenttype = serializers.ChoiceField(choices=["application/json"], required=False, allow_null=True)
    dataschema = TextField(required=False, allow_null=True)
    data = ObjectField(required=False, allow_null=True)  # type: ignore[assignment]


class IngestedEventSerializer(WireSerializer):
    event = serializers.SerializerMethodField()
    customer_id = serializers.SerializerMethodField()
    ingested_at = TimeField()
    stored_at = TimeField(source="ingested_at")

    @extend_schema_field(EventSerializer)
    def get_event(self, stored: Any) -> dict[str, Any]:
        event = {
            "id": stored.external_id,
            "source": stored.source,
            "specversion": "1.0",
            "type": stored.type,
            "subject": stored.subject,
            "time": TimeField().to_representation(stored.time),
        }
        if stored.data_text is not None:
            event["data"] = loads(stored.data_text.encode())
        return event

    @extend_schema_field(ULIDField(required=False))
    def get_customer_id(self, stored: Any) -> str | None:
        for attribution, owner in self.context["owners"].get(stored.subject, ()):
            if attribution.covers(stored.time):
                return ULIDField().to_representation(owner)
        return None


@extend_schema_serializer(many=False)
class IngestedEventPageSerializer(WireSerializer):
    """Without `nextCursor`, the list ends here."""

    items = IngestedEventSerializer(many=True)
    next_cursor = TextField(required=False)


class ReversalInputSerializer(WireSerializer):
    """Which event is taken back, and why."""

    id = TextField(max_length=256)
    source = TextField(max_length=256)  # type: ignore[assignment]
    reason = TextField(max_length=1024)


class ReversalSerializer(WireSerializer):
    """The record that an event was taken back."""

    id = TextField(source="external_id")
    source = TextField()  # type: ignore[assignment]
    type = TextField()
    subject = TextField()
    time = TimeField()
    reason = TextField()
    created_at = TimeField()


@extend_schema_field(
    {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
)
class ListMapField(serializers.Field):
    """Dimension to a list of values; a single text counts as a list of one."""

    default_error_messages = {"invalid": "Not an object of lists of texts."}

    def to_internal_value(self, data: Any) -> dict[str, list[str]]:
        if not isinstance(data, dict):
            self.fail("invalid")
        lists = {name: [value] if isinstance(value, str) else value for name, value in data.items()}
        for values in lists.values():
            if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
                self.fail("invalid")
        return lists


class MeterQuerySerializer(WireSerializer):
    """`from` is a word of Python, so it is declared under its wire name below."""

    client_id = TextField(required=False, max_length=36)
    to = TimeField(required=False)
    window_size = serializers.ChoiceField(choices=list(WINDOWS), required=False)
    window_time_zone = TextField(default="UTC", max_length=64)
    subject = serializers.ListField(child=TextField(max_length=256), required=False, max_length=100)
    filter_customer_id = serializers.ListField(child=ULIDField(), required=False, max_length=100)
    filter_group_by = ListMapField(required=False)
    advanced_meter_group_by_filters = AnyOfMapField(required=False)
    group_by = serializers.ListField(child=TextField(max_length=64), required=False, max_length=100)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"from": TimeField(required=False), **super().get_fields()}


class MeterQueryRowSerializer(WireSerializer):
    value = NumberField()
    window_start = TimeField()
    window_end = TimeField()
    subject = TextField(allow_null=True)
    customer_id = ULIDField(required=False)
    group_by = serializers.DictField(child=TextField(allow_null=True))

    keep_null = frozenset({"subject"})


class MeterQueryResultSerializer(WireSerializer):
    to = TimeField(required=False)
    window_size = serializers.ChoiceField(choices=list(WINDOWS), required=False)
    data = MeterQueryRowSerializer(many=True)  # type: ignore[assignment]

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"from": TimeField(required=False), **super().get_fields()}
