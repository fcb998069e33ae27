"""What callers send to change, migrate, cancel, pause and resume a subscription, and what a preview answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import CurrencyField, KeyField, MoneyField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from invoicing.api.subscription_inputs import (
    AnchorField,
    CustomPlanSerializer,
    PlanReferenceInputSerializer,
    QuantitiesField,
    TimingField,
)
from invoicing.choices import LineKind
from subscriptions.api.subscription_serializers import (
    PeriodSerializer,
    SubscriptionExpandedSerializer,
    SubscriptionSerializer,
)
from subscriptions.choices import UsageOnChange
from subscriptions.timing import IMMEDIATE


class TimingSerializer(WireSerializer):
    """When it takes effect; at once where nothing is said."""

    timing = TimingField(required=False, default=IMMEDIATE)


class SubscriptionChangeSerializer(WireSerializer):
    """`plan` or `customPlan`. Ours beyond the clients' types: `usage` and `quantities`, by item key."""

    timing = TimingField()
    plan = PlanReferenceInputSerializer(required=False)
    custom_plan = CustomPlanSerializer(required=False)
    starting_phase = KeyField(required=False)
    billing_anchor = AnchorField(required=False)
    name = TextField(required=False, max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    settlement_mode = serializers.ChoiceField(required=False, choices=["credit_then_invoice", "credit_only"])
    usage = serializers.ChoiceField(required=False, choices=UsageOnChange.choices, default=UsageOnChange.PRESERVE.value)
    quantities = QuantitiesField(required=False)


class SubscriptionMigrateSerializer(TimingSerializer):
    target_version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    starting_phase = KeyField(required=False)
    billing_anchor = AnchorField(required=False)


class PreviewChangeSerializer(SubscriptionChangeSerializer):
    """The body of a change (it has `plan` or `customPlan`) or of a cancelation."""

    timing = TimingField(required=False, default=IMMEDIATE)


class SubscriptionChangeResponseSerializer(WireSerializer):
    current = SubscriptionSerializer()
    next = SubscriptionExpandedSerializer()


class ChangeLineSerializer(WireSerializer):
    """`amount` is net of tax, negative where something comes back."""

    name = TextField()
    kind = serializers.ChoiceField(choices=LineKind.values)
    subscription_id = ULIDField()
    running_number = serializers.IntegerField()
    period = serializers.SerializerMethodField()
    amount = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()

    @extend_schema_field(PeriodSerializer)
    def get_period(self, line: Any) -> dict[str, Any]:
        return PeriodSerializer({"start": line.period_start, "end": line.period_end}).data


class ChangePreviewSerializer(WireSerializer):
    """Credit and charge are net; what is due now is gross, after the customer's balance; so is the next amount, before
    it."""

    credit_amount = MoneyField()
    charge_amount = MoneyField()
    due_now = MoneyField()
    credit_note_total = MoneyField()
    next_billing_at = TimeField(required=False)
    next_amount = MoneyField()
    currency = CurrencyField()
    lines = ChangeLineSerializer(many=True)
