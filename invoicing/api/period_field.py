"""The field for the period that a line or document is for."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.api.lifecycle.subscription_serializers import PeriodSerializer


@extend_schema_field(PeriodSerializer)
class BilledPeriodField(serializers.Field):
    """Shows `period_start` and `period_end` of what it stands in as one period."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, value: Any) -> dict[str, Any]:
        return PeriodSerializer({"start": value.period_start, "end": value.period_end}).data
