"""What is left of entitlements on the wire, now and over time."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core import clock
from core.ids import to_text
from core.rest.fields import NumberField, TextField, TimeField
from core.rest.serializers import WireSerializer
from entitlements.access.history import WINDOW_SIZES, BurnedSegment, History
from entitlements.access.values import AccessValue
from entitlements.api.access.serializers import WirePeriodSerializer


class ValueSerializer(WireSerializer):
    """`balance`, `usage`, `overage` and `totalAvailableGrantAmount` of a metered entitlement, `config` of a static
    one."""

    has_access = serializers.BooleanField()
    balance = NumberField(required=False)
    usage = NumberField(required=False)
    overage = NumberField(required=False)
    total_available_grant_amount = NumberField(source="total", required=False)
    config = TextField(required=False)


class ValueV2Serializer(ValueSerializer):
    """`grantBalances` has what is left of each grant that counts, by its id."""

    grant_balances = serializers.DictField(child=NumberField(), required=False)


class AccessSerializer(WireSerializer):
    """By feature key, the value of each entitlement that is active now."""

    entitlements = serializers.DictField(child=ValueSerializer())


class ValueQuerySerializer(WireSerializer):
    time = TimeField(required=False)

    def validate_time(self, value: Any) -> Any:
        if value > clock.now():
            raise serializers.ValidationError("Must not be in the future: nobody knows what will be used.")
        return value


class VoidQuerySerializer(WireSerializer):
    at = TimeField(required=False)


class HistoryQuerySerializer(WireSerializer):
    """`from` defaults to the last reset, `to` to now."""

    window_size = serializers.ChoiceField(choices=WINDOW_SIZES)
    window_time_zone = TextField(required=False, default="UTC", max_length=64)

    def get_fields(self) -> dict[str, serializers.Field]:
        times: dict[str, serializers.Field] = {"from": TimeField(required=False), "to": TimeField(required=False)}
        return times | super().get_fields()


class WindowSerializer(WireSerializer):
    period = WirePeriodSerializer()
    usage = NumberField()
    balance_at_start = NumberField()


class GrantUsageSerializer(WireSerializer):
    grant_id = TextField()
    usage = NumberField()


class BurnedSegmentSerializer(WireSerializer):
    period = WirePeriodSerializer()
    usage = NumberField()
    overage = NumberField()
    balance_at_start = NumberField()
    grant_balances_at_start = serializers.DictField(child=NumberField())
    balance_at_end = NumberField()
    grant_balances_at_end = serializers.DictField(child=NumberField())
    grant_usages = GrantUsageSerializer(many=True)


class HistorySerializer(WireSerializer):
    """`windowedHistory` has the windows in which something was used; `burndownHistory` all time, cut where anything but
    usage changed the balance."""

    windowed_history = WindowSerializer(many=True)
    burndown_history = BurnedSegmentSerializer(many=True)


def shown_value(value: AccessValue) -> dict[str, Any]:
    """A value, as its serializer takes it."""
    return {
        "has_access": value.has_access,
        "balance": value.balance,
        "usage": value.usage,
        "overage": value.overage,
        "total": value.total,
        "config": value.config,
        "grant_balances": None if value.grants is None else _by_text(value.grants),
    }


@cache
def _presenter(serializer_class: type[WireSerializer]) -> WireSerializer:
    """Made once: values are asked for before each use, and nothing of them depends on the request."""
    return serializer_class()


def value_on_wire(value: AccessValue, serializer_class: type[WireSerializer]) -> dict[str, Any]:
    """A value as it is answered, alone, in the form of `serializer_class`."""
    return _presenter(serializer_class).to_representation(shown_value(value))


def shown_history(history: History) -> dict[str, Any]:
    """A history, as its serializer takes it."""
    return {
        "windowed_history": history.windows,
        "burndown_history": [_segment(segment) for segment in history.segments],
    }


def _segment(segment: BurnedSegment) -> dict[str, Any]:
    return {
        "period": segment.period,
        "usage": segment.usage,
        "overage": segment.after.overage,
        "balance_at_start": segment.before.balance,
        "grant_balances_at_start": _by_text(segment.before.grants),
        "balance_at_end": segment.after.balance,
        "grant_balances_at_end": _by_text(segment.after.grants),
        "grant_usages": [{"grant_id": to_text(key), "usage": amount} for key, amount in segment.burned.items()],
    }


def _by_text(amounts: Mapping[UUID, Decimal]) -> dict[str, Decimal]:
    return {to_text(key): amount for key, amount in amounts.items()}
