"""Features on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import KeyField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from entitlements.api.metering.serializers import AnyOfMapField
from entitlements.models import Feature


class FeatureCreateSerializer(WireSerializer):
    key = KeyField()
    name = TextField(max_length=256)
    metadata = TextMapField(required=False)
    meter_slug = KeyField(required=False)
    meter_group_by_filters = TextMapField(required=False)
    advanced_meter_group_by_filters = AnyOfMapField(required=False)

    def filters(self) -> dict[str, list[str]]:
        """Both ways of writing filters, as one."""
        simple = self.validated_data.get("meter_group_by_filters", {})
        advanced = self.validated_data.get("advanced_meter_group_by_filters", {})
        return {name: [value] for name, value in simple.items()} | advanced


class FeatureSerializer(WireSerializer):
    id = ULIDField()
    key = KeyField()
    name = TextField()
    metadata = TextMapField()
    meter_slug = serializers.SerializerMethodField()
    meter_group_by_filters = serializers.SerializerMethodField()
    advanced_meter_group_by_filters = serializers.SerializerMethodField()
    created_at = TimeField()
    updated_at = TimeField()
    archived_at = TimeField(required=False)

    @extend_schema_field(KeyField(required=False))
    def get_meter_slug(self, feature: Feature) -> str | None:
        return feature.meter.key if feature.meter else None

    @extend_schema_field(TextMapField(required=False))
    def get_meter_group_by_filters(self, feature: Feature) -> dict[str, str] | None:
        """Only where each dimension has one value; the advanced form says all."""
        filters = feature.meter_filters
        if not filters or any(len(values) != 1 for values in filters.values()):
            return None
        return {name: values[0] for name, values in filters.items()}

    @extend_schema_field(AnyOfMapField(required=False))
    def get_advanced_meter_group_by_filters(self, feature: Feature) -> dict[str, Any] | None:
        return AnyOfMapField().to_representation(feature.meter_filters) if feature.meter_filters else None
