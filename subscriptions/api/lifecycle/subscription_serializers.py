"""The subscription on the wire: in lists, and expanded with its phases and items."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import clock
from core.rest.fields import (
    CurrencyField,
    DecimalStringField,
    DurationField,
    KeyField,
    TextField,
    TextMapField,
    TimeField,
    ULIDField,
)
from core.rest.serializers import WireSerializer
from core.rest.wire_json import number_text, utc_text
from entitlements.api.features.serializers import FeatureSerializer
from subscriptions.api.catalog.plan_serializers import DiscountsField, PriceField, TaxConfigField
from subscriptions.choices import SubscriptionStatus
from subscriptions.lifecycle.facts import pauses_of
from subscriptions.lifecycle.selectors import current_period, current_quantity
from subscriptions.lifecycle.states import status_at
from subscriptions.models import ItemRevision, Subscription, SubscriptionPhase


class PlanReferenceSerializer(WireSerializer):
    id = ULIDField()
    key = KeyField()
    version = serializers.IntegerField()


class ProRatingSerializer(WireSerializer):
    enabled = serializers.BooleanField()
    mode = serializers.ChoiceField(choices=["prorate_prices"])


class PeriodSerializer(WireSerializer):
    """Half-open: `to` is the first moment after it."""

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` is a word of Python's, so it can't be declared.
        return {"from": TimeField(source="start"), "to": TimeField(source="end")}


class PauseSerializer(WireSerializer):
    """Half-open: nothing is active or billed from `from` on; without `to` until it is resumed."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"from": TimeField(source="start"), "to": TimeField(source="end", required=False)}


class AlignmentSerializer(WireSerializer):
    billables_must_align = serializers.BooleanField()
    current_aligned_billing_period = PeriodSerializer(required=False)


class SubscriptionSerializer(WireSerializer):
    """Expects the plan to be loaded: see `subscriptions_shown`.

    Ours beyond the clients' types: `timezone`, `pausedFrom` (there only while it is paused: `status`, which they fix,
    can't say so) and `pauses`, all of them, also those to come.
    """

    id = ULIDField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    active_from = TimeField()
    active_to = TimeField(required=False)
    status = serializers.SerializerMethodField()
    customer_id = ULIDField()
    plan = PlanReferenceSerializer(required=False)
    currency = CurrencyField()
    timezone = TextField(source="time_zone")
    billing_cadence = DurationField()
    pro_rating_config = serializers.SerializerMethodField()
    billing_anchor = TimeField()
    settlement_mode = TextField()
    paused_from = serializers.SerializerMethodField()
    pauses = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=SubscriptionStatus.values))
    def get_status(self, subscription: Subscription) -> str:
        return status_at(subscription, clock.now()).value

    @extend_schema_field(TimeField(required=False))
    def get_paused_from(self, subscription: Subscription) -> str | None:
        now = clock.now()
        for pause in pauses_of(subscription):
            if pause.start <= now and (pause.end is None or now < pause.end):
                return utc_text(pause.start)
        return None

    @extend_schema_field(PauseSerializer(many=True))
    def get_pauses(self, subscription: Subscription) -> list[dict[str, Any]]:
        return [PauseSerializer(pause).data for pause in pauses_of(subscription)]

    @extend_schema_field(ProRatingSerializer)
    def get_pro_rating_config(self, subscription: Subscription) -> dict[str, Any]:
        return {"enabled": subscription.pro_rating_enabled, "mode": "prorate_prices"}


class IncludedSerializer(WireSerializer):
    feature = FeatureSerializer()


class SubscriptionItemSerializer(WireSerializer):
    """A revision of an item. `runningNumber` addresses the item in an update; `quantity` is that of today."""

    keep_null = frozenset({"billingCadence", "price"})

    id = ULIDField()
    key = KeyField(source="item.key")
    running_number = serializers.IntegerField(source="item.running_number")
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    active_from = TimeField()
    active_to = TimeField(required=False)
    feature_key = KeyField(required=False)
    billing_cadence = DurationField(allow_null=True)
    price = PriceField(allow_null=True)
    discounts = DiscountsField(required=False)
    tax_config = TaxConfigField(required=False)
    included = serializers.SerializerMethodField()
    quantity = serializers.SerializerMethodField()

    @extend_schema_field(IncludedSerializer(required=False))
    def get_included(self, revision: ItemRevision) -> dict[str, Any] | None:
        return None if revision.feature is None else {"feature": FeatureSerializer(revision.feature).data}

    @extend_schema_field(DecimalStringField(required=False))
    def get_quantity(self, revision: ItemRevision) -> str | None:
        if revision.price is None or revision.price["type"] != "flat":
            return None
        return number_text(current_quantity(revision.item, clock.now()))


class SubscriptionPhaseSerializer(WireSerializer):
    """`items` has of each item the revision in force, else the next, else the last; `itemTimelines` has all."""

    id = ULIDField()
    key = KeyField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    active_from = TimeField()
    active_to = TimeField(required=False)
    items = serializers.SerializerMethodField()
    item_timelines = serializers.SerializerMethodField()

    @extend_schema_field(SubscriptionItemSerializer(many=True))
    def get_items(self, phase: SubscriptionPhase) -> list[dict[str, Any]]:
        now = clock.now()
        shown: dict[str, ItemRevision] = {}
        for revision in phase.revisions.all():
            in_force = shown.get(revision.item.key)
            if in_force is None or (in_force.active_to is not None and in_force.active_to <= now):
                shown[revision.item.key] = revision
        return [SubscriptionItemSerializer(revision).data for revision in shown.values()]

    @extend_schema_field(serializers.DictField(child=serializers.ListField(child=SubscriptionItemSerializer())))
    def get_item_timelines(self, phase: SubscriptionPhase) -> dict[str, list[dict[str, Any]]]:
        timelines: dict[str, list[dict[str, Any]]] = {}
        for revision in phase.revisions.all():
            timelines.setdefault(revision.item.key, []).append(SubscriptionItemSerializer(revision).data)
        return timelines


class SubscriptionExpandedSerializer(SubscriptionSerializer):
    """Expects phases, revisions, items and quantities to be loaded: see `subscriptions_expanded`."""

    alignment = serializers.SerializerMethodField()
    phases = SubscriptionPhaseSerializer(many=True)

    @extend_schema_field(AlignmentSerializer)
    def get_alignment(self, subscription: Subscription) -> dict[str, Any]:
        period = current_period(subscription, clock.now())
        return {"billablesMustAlign": True, "currentAlignedBillingPeriod": PeriodSerializer(period).data}
