"""What callers send about subscriptions: a new one, and the update of an item."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import (
    CurrencyField,
    DecimalStringField,
    KeyField,
    TextField,
    TextMapField,
    TimeField,
    ULIDField,
)
from core.rest.serializers import WireSerializer
from invoicing.api.previews.outlook_serializers import OutlookSerializer
from subscriptions.api.catalog.plan_serializers import PlanAlignmentSerializer, PlanUpdateSerializer
from subscriptions.choices import UpdateAction
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.timing import IMMEDIATE, NEXT_BILLING_CYCLE
from subscriptions.schedule.billing_calendar import CALENDAR

_TIME = {"type": "string", "format": "date-time"}

_ACTIONS = {
    "update": UpdateAction.UPDATE,
    "upgrade": UpdateAction.UPGRADE,
    "downgrade": UpdateAction.DOWNGRADE,
    "0": UpdateAction.UPDATE,
    "1": UpdateAction.UPGRADE,
    "2": UpdateAction.DOWNGRADE,
}


class WordOrTimeField(TimeField):
    """One of a few words, or a moment."""

    words: tuple[str, ...] = ()

    def to_internal_value(self, data: Any) -> datetime | str:  # type: ignore[override]
        return data if isinstance(data, str) and data in self.words else super().to_internal_value(data)


@extend_schema_field({"oneOf": [{"type": "string", "enum": [IMMEDIATE, NEXT_BILLING_CYCLE]}, _TIME]})
class TimingField(WordOrTimeField):
    """`immediate`, `next_billing_cycle`, or a moment."""

    words = (IMMEDIATE, NEXT_BILLING_CYCLE)


@extend_schema_field({"oneOf": [{"type": "string", "enum": [CALENDAR]}, _TIME]})
class AnchorField(WordOrTimeField):
    """A moment, or `calendar`: where the cadence begins by the calendar in the subscription's time zone, be it a Monday
    or the first of a month, a quarter, a half-year or a year."""

    words = (CALENDAR,)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}, "example": {"seats": "5"}})
class QuantitiesField(serializers.Field):
    """Item key to quantity."""

    default_error_messages = {"invalid": "Not an object of item keys and quantities."}

    def to_internal_value(self, data: Any) -> dict[str, Decimal]:
        if not isinstance(data, Mapping) or len(data) > 1000:
            self.fail("invalid")
        field = DecimalStringField(negative=False)
        problems, quantities = {}, {}
        for key, value in data.items():
            try:
                quantities[key] = field.to_internal_value(value)
            except serializers.ValidationError as error:
                problems[key] = error.detail
        if problems:
            raise serializers.ValidationError(problems)
        return quantities

    def to_representation(self, value: Any) -> Any:
        return value


class PlanReferenceInputSerializer(WireSerializer):
    key = KeyField()
    version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class CustomPlanSerializer(PlanUpdateSerializer):
    """Terms of the customer's own: a plan's facts without a stored plan."""

    currency = CurrencyField()


class SubscriptionCreateSerializer(WireSerializer):
    """Ours beyond the clients' types: `quantities`, what flat items start with, by key; and the anchor `calendar`."""

    plan = PlanReferenceInputSerializer(required=False)
    custom_plan = CustomPlanSerializer(required=False)
    customer_id = ULIDField(required=False)
    customer_key = TextField(required=False, max_length=256)
    timing = TimingField(required=False)
    starting_phase = KeyField(required=False)
    billing_anchor = AnchorField(required=False)
    name = TextField(required=False, max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    settlement_mode = serializers.ChoiceField(required=False, choices=["credit_then_invoice", "credit_only"])
    alignment = PlanAlignmentSerializer(required=False)
    quantities = QuantitiesField(required=False)


@extend_schema_field(
    {"oneOf": [{"type": "string", "enum": UpdateAction.values}, {"type": "integer", "enum": [0, 1, 2]}]}
)
class ActionField(serializers.Field):
    """`update` (0), `upgrade` (1) or `downgrade` (2)."""

    default_error_messages = {"invalid": "Must be one of upgrade, downgrade, update, or 1, 2, 0."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool) or not isinstance(data, (str, int)) or str(data) not in _ACTIONS:
            self.fail("invalid")
        return _ACTIONS[str(data)].value

    def to_representation(self, value: Any) -> Any:
        return value


class AlignmentInputSerializer(WireSerializer):
    align_to_current_interval = serializers.BooleanField(required=False, default=False)
    extend_interval = serializers.BooleanField(required=False, default=False)
    customer_price_preview_only = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["extend_interval"] and not attrs["align_to_current_interval"]:
            raise serializers.ValidationError(
                {"extendInterval": ["Only together with alignToCurrentInterval."]}, code="needs_alignment"
            )
        return attrs


class ItemUpdateSerializer(WireSerializer):
    """`effectiveAt` dates a change of quantity in the past (scope `backdate`)."""

    product_id = TextField(max_length=64)
    quantity = DecimalStringField(negative=False)
    update_action = ActionField(required=False, default=UpdateAction.UPDATE.value)
    alignment = AlignmentInputSerializer(required=False)
    coupon_code = TextField(required=False, max_length=64)
    usage_period_start = TimeField(required=False)
    send_notification = serializers.BooleanField(required=False, default=True)
    effective_at = TimeField(required=False)


def item_update(body: Mapping[str, Any]) -> ItemUpdate:
    """What the service takes, from a validated body."""
    alignment = body.get("alignment", {})
    return ItemUpdate(
        product_id=body["product_id"],
        quantity=body["quantity"],
        action=body["update_action"],
        align=alignment.get("align_to_current_interval", False),
        extend=alignment.get("extend_interval", False),
        preview_only=alignment.get("customer_price_preview_only", False),
        coupon_code=body.get("coupon_code"),
        usage_period_start=body.get("usage_period_start"),
        send_notification=body["send_notification"],
        effective_at=body.get("effective_at"),
    )


class ItemUpdateResultSerializer(OutlookSerializer):
    """Amounts as decimal strings; a preview has the documents that follow. `lateUsage` says that the period's snapshot
    had been taken: see billing rules 6."""

    amount_due_now = TextField()
    amount_at_next_billing = TextField()
    next_billing_date = TimeField(required=False)
    currency = TextField()
    invoice_id = ULIDField(required=False)
    late_usage = serializers.BooleanField(required=False)


class CouponRedemptionInputSerializer(WireSerializer):
    coupon_code = TextField(max_length=64)


class CouponRedemptionSerializer(WireSerializer):
    """Charges whose service starts from `effectiveFrom` until `effectiveTo` are reduced; without the latter, all."""

    coupon_code = TextField(source="coupon.code")
    running_number = serializers.IntegerField(source="item.running_number")
    effective_from = TimeField()
    effective_to = TimeField(required=False)
