"""Add-ons, and the add-ons that plans offer, on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import clock
from core.rest.fields import CurrencyField, KeyField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from subscriptions.api.catalog.plan_serializers import RateCardSerializer, rate_card_shown, rate_card_terms
from subscriptions.catalog.plan_terms import AddOnTerms
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import InstanceType, PlanStatus
from subscriptions.models import AddOn

_LARGEST = 2**31 - 1
STATUSES = (PlanStatus.DRAFT.value, PlanStatus.ACTIVE.value, PlanStatus.ARCHIVED.value)


class AddOnUpdateSerializer(WireSerializer):
    """The key and the currency of an add-on stay what they are."""

    shown_only = frozenset({"key", "version", "currency", "effectiveFrom", "effectiveTo", "status", "validationErrors"})

    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    instance_type = serializers.ChoiceField(choices=InstanceType.values)
    rate_cards = serializers.ListField(child=RateCardSerializer(), max_length=200)


class AddOnCreateSerializer(AddOnUpdateSerializer):
    key = KeyField()
    currency = CurrencyField(default="USD")


class AddOnSerializer(WireSerializer):
    """Expects rate cards prefetched: see `addons_for_display`."""

    id = ULIDField()
    key = KeyField()
    version = serializers.IntegerField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    instance_type = serializers.ChoiceField(choices=InstanceType.values)
    currency = CurrencyField()
    effective_from = TimeField(required=False)
    effective_to = TimeField(required=False)
    status = serializers.SerializerMethodField()
    rate_cards = serializers.SerializerMethodField()
    validation_errors = serializers.SerializerMethodField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)

    keep_null = frozenset({"validationErrors"})

    @extend_schema_field(serializers.ChoiceField(choices=STATUSES))
    def get_status(self, addon: AddOn) -> str:
        return str(version_status(addon, clock.now()))

    @extend_schema_field(RateCardSerializer(many=True))
    def get_rate_cards(self, addon: AddOn) -> list[dict[str, Any]]:
        return [rate_card_shown(card) for card in addon.rate_cards.all()]

    @extend_schema_field({"type": "array", "nullable": True, "items": {"type": "object"}})
    def get_validation_errors(self, thing: Any) -> None:
        """Always null: what breaks a rule is refused and never stored."""


def addon_terms(body: dict[str, Any]) -> AddOnTerms:
    """What the services take, from a validated body: not yet checked against the rules of add-ons."""
    return AddOnTerms(
        name=body["name"],
        currency=body.get("currency", ""),
        instance_type=body["instance_type"],
        rate_cards=tuple(rate_card_terms(card) for card in body["rate_cards"]),
    )


class PlanAddOnUpdateSerializer(WireSerializer):
    """Which add-on is offered stays as it is."""

    shown_only = frozenset({"addon", "validationErrors"})

    metadata = TextMapField(required=False)
    from_plan_phase = KeyField()
    max_quantity = serializers.IntegerField(required=False, min_value=1, max_value=_LARGEST)


class PlanAddOnCreateSerializer(PlanAddOnUpdateSerializer):
    addon_id = ULIDField()


class PlanAddOnSerializer(WireSerializer):
    """Expects the add-on with its rate cards: see `plan_addons_for_display`."""

    created_at = TimeField()
    updated_at = TimeField()
    metadata = TextMapField()
    addon = AddOnSerializer()
    from_plan_phase = KeyField()
    max_quantity = serializers.IntegerField(required=False)
    validation_errors = serializers.SerializerMethodField()

    keep_null = frozenset({"validationErrors"})

    @extend_schema_field({"type": "array", "nullable": True, "items": {"type": "object"}})
    def get_validation_errors(self, offer: Any) -> None:
        """Always null, as on add-ons."""
