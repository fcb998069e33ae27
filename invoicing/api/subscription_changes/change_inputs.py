"""What callers send to change, migrate, cancel, pause and resume a subscription, and what a preview answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from core.periods import parse_duration
from core.rest.fields import (
    CurrencyField,
    DecimalStringField,
    DurationField,
    KeyField,
    MoneyField,
    TextField,
    TextMapField,
    TimeField,
    ULIDField,
)
from core.rest.serializers import WireSerializer, to_camel, unknown_fields
from invoicing.api.period_field import BilledPeriodField
from invoicing.api.previews.outlook_serializers import OutlookSerializer
from invoicing.api.subscription_changes.subscription_addons import SubscriptionAddOnCreateSerializer
from invoicing.api.subscription_changes.subscription_inputs import (
    AnchorField,
    CouponRedemptionInputSerializer,
    CustomPlanSerializer,
    PlanReferenceInputSerializer,
    QuantitiesField,
    TimingField,
)
from invoicing.choices import LineKind
from subscriptions.api.catalog.plan_serializers import PlanAlignmentSerializer, RateCardSerializer, rate_card_terms
from subscriptions.api.lifecycle.subscription_serializers import (
    SubscriptionExpandedSerializer,
    SubscriptionSerializer,
)
from subscriptions.choices import UsageOnChange
from subscriptions.lifecycle.edits import AddItem, AddPhase, Edit, RemoveItem, RemovePhase, StretchPhase, UnscheduleEdit
from subscriptions.lifecycle.timing import IMMEDIATE

_NEEDS = {
    "add_item": ("phase_key", "rate_card"),
    "remove_item": ("phase_key", "item_key"),
    "add_phase": ("phase",),
    "remove_phase": ("phase_key", "shift"),
    "stretch_phase": ("phase_key", "extend_by"),
    "unschedule_edit": (),
}


# The changes that a preview takes under their name.
_NAMED = ("migrate", "pause", "resume", "unschedule", "buy_addon", "change_addon", "redeem_coupon")


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
    alignment = PlanAlignmentSerializer(required=False)
    usage = serializers.ChoiceField(required=False, choices=UsageOnChange.choices, default=UsageOnChange.PRESERVE.value)
    quantities = QuantitiesField(required=False)


class SubscriptionMigrateSerializer(TimingSerializer):
    target_version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    starting_phase = KeyField(required=False)
    billing_anchor = AnchorField(required=False)


class PhaseInputSerializer(WireSerializer):
    """`startAfter` counts from the subscription's start; left out, it means null: at once."""

    start_after = DurationField(required=False, allow_null=True)
    duration = DurationField(required=False)
    key = KeyField()
    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)


class EditOperationSerializer(WireSerializer):
    """One edit; `op` says which of the other fields it needs."""

    op = serializers.ChoiceField(choices=list(_NEEDS))
    phase_key = KeyField(required=False)
    item_key = KeyField(required=False)
    rate_card = RateCardSerializer(required=False)
    phase = PhaseInputSerializer(required=False)
    shift = serializers.ChoiceField(required=False, choices=["next", "prev"])
    extend_by = DurationField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needed = _NEEDS[attrs["op"]]
        missing = {to_camel(name): ["This field is required."] for name in needed if name not in attrs}
        strange = [to_camel(name) for name in attrs if name not in ("op", *needed)]
        if missing or strange:
            known = ["op", *map(to_camel, needed)]
            raise serializers.ValidationError({**missing, **unknown_fields(strange, known)})
        return attrs


class SubscriptionEditSerializer(TimingSerializer):
    customizations = serializers.ListField(child=EditOperationSerializer(), min_length=1, max_length=100)


class AddOnPurchasePreviewSerializer(SubscriptionAddOnCreateSerializer):
    """The body of a purchase; the name may be left out."""

    name = TextField(required=False, max_length=256)


class AddOnChangePreviewSerializer(TimingSerializer):
    """`id` is that of the purchase."""

    id = ULIDField()
    quantity = serializers.IntegerField(min_value=0, max_value=2**31 - 1)


class CouponPreviewSerializer(CouponRedemptionInputSerializer):
    running_number = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class PreviewChangeSerializer(SubscriptionChangeSerializer):
    """The body of a change (it has `plan` or `customPlan`), of an edit (`customizations`) or of a cancelation.

    Any other change is previewed with its own body under its name, which stands alone:
    `{"pause": {"timing": "immediate"}}`.
    """

    timing = TimingField(required=False, default=IMMEDIATE)
    customizations = serializers.ListField(
        required=False, child=EditOperationSerializer(), min_length=1, max_length=100
    )
    migrate = SubscriptionMigrateSerializer(required=False)
    pause = TimingSerializer(required=False)
    resume = TimingSerializer(required=False)
    unschedule = WireSerializer(required=False)
    buy_addon = AddOnPurchasePreviewSerializer(required=False)
    change_addon = AddOnChangePreviewSerializer(required=False)
    redeem_coupon = CouponPreviewSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for verb in _NAMED:
            if verb in attrs:
                if len(self.initial_data) > 1:
                    raise serializers.ValidationError(
                        {to_camel(verb): ["Stands alone: leave the other fields out."]}, "stands_alone"
                    )
                return attrs
        kinds = [name for name in ("plan", "custom_plan", "customizations") if name in attrs]
        if len(kinds) > 1:
            raise serializers.ValidationError(
                {to_camel(name): [f"Give only one of: {', '.join(map(to_camel, kinds))}."] for name in kinds},
                "stands_alone",
            )
        if kinds in ([], ["customizations"]):
            known = ["timing", *kinds]
            strange = [name for name in self.initial_data if name not in known]
            if strange:
                raise serializers.ValidationError(unknown_fields(strange, known))
        return attrs


def edits_of(operations: Sequence[Mapping[str, Any]]) -> list[Edit]:
    """What the services take, from validated operations."""
    return [_edit(operation) for operation in operations]


def _edit(said: Mapping[str, Any]) -> Edit:
    match said["op"]:
        case "add_item":
            return AddItem(said["phase_key"], rate_card_terms(said["rate_card"]))
        case "remove_item":
            return RemoveItem(said["phase_key"], said["item_key"])
        case "add_phase":
            phase = said["phase"]
            duration = phase.get("duration")
            return AddPhase(
                key=phase["key"],
                name=phase["name"],
                description=phase.get("description"),
                start_after=parse_duration(phase.get("start_after") or "PT0S"),
                duration=parse_duration(duration) if duration else None,
            )
        case "remove_phase":
            return RemovePhase(said["phase_key"], said["shift"])
        case "stretch_phase":
            return StretchPhase(said["phase_key"], parse_duration(said["extend_by"]))
    return UnscheduleEdit()


class SubscriptionChangeResponseSerializer(WireSerializer):
    current = SubscriptionSerializer()
    next = SubscriptionExpandedSerializer()


class ChangeLineSerializer(WireSerializer):
    """`amount` is net of tax, negative where something comes back."""

    name = TextField()
    kind = serializers.ChoiceField(choices=LineKind.values)
    subscription_id = ULIDField()
    running_number = serializers.IntegerField()
    period = BilledPeriodField()
    amount = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()


class CreditedLineSerializer(WireSerializer):
    """`amount` is net of tax, positive: what a credit note over the invoice `over` gives back."""

    name = TextField()
    over = TextField()
    period = BilledPeriodField()
    amount = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()


class EndedAddOnSerializer(WireSerializer):
    """An add-on of the subscription that the new plan does not sell: it ends with the change."""

    id = ULIDField()
    name = TextField()
    quantity = DecimalStringField()


class ChangePreviewSerializer(OutlookSerializer):
    """Credit and charge are net; what is due now is gross, after the customer's balance; so is the next amount, before
    it. Credit and credit notes are those of the change, also where it takes effect later; charge, `lines` and
    `credited` are what is billed now, `documents` all that follows, now and later. `dueBefore` is what is left to pay
    of what was due without the change: it is billed first, on an invoice of its own."""

    credit_amount = MoneyField()
    charge_amount = MoneyField()
    due_now = MoneyField()
    due_before = MoneyField()
    credit_note_total = MoneyField()
    next_billing_at = TimeField(required=False)
    next_amount = MoneyField()
    currency = CurrencyField()
    lines = ChangeLineSerializer(many=True)
    credited = CreditedLineSerializer(many=True)
    ended_addons = EndedAddOnSerializer(many=True)
