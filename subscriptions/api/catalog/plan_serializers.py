"""Plans, phases and rate cards on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import clock
from core.rest.fields import (
    NUMERIC_PATTERN,
    CadenceField,
    CurrencyField,
    DurationField,
    KeyField,
    ObjectField,
    TextField,
    TextMapField,
    TimeField,
    ULIDField,
)
from core.rest.serializers import WireSerializer
from subscriptions.catalog.plan_rules import SETTLEMENT_MODES
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.catalog.version_status import version_status
from subscriptions.choices import PlanStatus, RateCardType
from subscriptions.models import AddOnRateCard, Plan, PlanPhase, RateCard

_NUMERIC = {"type": "string", "pattern": NUMERIC_PATTERN}
_AMOUNT_OR_NULL = {"type": "object", "nullable": True, "properties": {"amount": _NUMERIC}}


@extend_schema_field(
    {
        "type": "object",
        "nullable": True,
        "required": ["type"],
        "properties": {
            "type": {
                "type": "string",
                "enum": ["flat", "unit", "package", "tiered", "dynamic", "percentage", "dimensional"],
            },
            "amount": _NUMERIC,
            "paymentTerm": {"type": "string", "enum": ["in_advance", "in_arrears"]},
            "quantityPerPackage": _NUMERIC,
            "mode": {"type": "string", "enum": ["graduated", "volume"]},
            "tiers": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "upToAmount": _NUMERIC,
                        "flatPrice": _AMOUNT_OR_NULL,
                        "unitPrice": _AMOUNT_OR_NULL,
                    },
                },
            },
            "multiplier": _NUMERIC,
            "minimumAmount": _NUMERIC,
            "maximumAmount": _NUMERIC,
        },
    }
)
class PriceField(ObjectField):
    """A price as `subscriptions.pricing` reads and writes it; only its being an object is checked here."""


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "percentage": {"type": "object", "properties": {"percentage": {"type": "number"}}},
            "usage": {"type": "object", "properties": {"quantity": _NUMERIC}},
        },
    }
)
class DiscountsField(ObjectField):
    """Discounts as `subscriptions.pricing` reads and writes them."""


@extend_schema_field(
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "enum": ["metered", "static", "boolean"]},
            "isSoftLimit": {"type": "boolean"},
            "issueAfterReset": {"type": "number"},
            "issueAfterResetPriority": {"type": "integer"},
            "preserveOverageAtReset": {"type": "boolean"},
            "usagePeriod": {"type": "string"},
            "config": {"type": "string"},
        },
    }
)
class EntitlementTemplateField(ObjectField):
    """The entitlement that comes with a rate card; `subscriptions.catalog.plan_rules` checks it."""


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "behavior": {"type": "string", "enum": ["inclusive", "exclusive"]},
            "stripe": {"type": "object", "properties": {"code": {"type": "string"}}},
        },
    }
)
class TaxConfigField(ObjectField):
    """How a rate card is taxed; `subscriptions.catalog.plan_rules` checks it."""


class RateCardSerializer(WireSerializer):
    """Left out, `billingCadence` and `price` mean null: a one-time fee, a free item."""

    type = serializers.ChoiceField(choices=RateCardType.values)
    key = KeyField()
    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True)
    metadata = TextMapField(required=False)
    feature_key = KeyField(required=False)
    entitlement_template = EntitlementTemplateField(required=False)
    tax_config = TaxConfigField(required=False)
    billing_cadence = CadenceField(required=False, allow_null=True)
    price = PriceField(required=False, allow_null=True)
    discounts = DiscountsField(required=False)

    keep_null = frozenset({"billingCadence", "price"})


class PlanPhaseSerializer(WireSerializer):
    """Left out, `duration` means null: the phase has no end."""

    key = KeyField()
    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True)
    metadata = TextMapField(required=False)
    duration = DurationField(required=False, allow_null=True)
    rate_cards = serializers.ListField(child=RateCardSerializer(), max_length=200)

    keep_null = frozenset({"duration"})


class ProRatingInputSerializer(WireSerializer):
    enabled = serializers.BooleanField(default=True)
    mode = serializers.ChoiceField(choices=["prorate_prices"], default="prorate_prices")


class PlanAlignmentSerializer(WireSerializer):
    """Taken for the clients' sake. Items keep their own cadence here; their periods share the subscription's anchor."""

    billables_must_align = serializers.BooleanField(required=False)


class PlanUpdateSerializer(WireSerializer):
    """The key and the currency of a plan stay what they are."""

    shown_only = frozenset({"key", "version", "currency", "effectiveFrom", "effectiveTo", "status", "validationErrors"})

    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True)
    metadata = TextMapField(required=False)
    alignment = PlanAlignmentSerializer(required=False)
    billing_cadence = CadenceField()
    pro_rating_config = ProRatingInputSerializer(required=False)
    settlement_mode = serializers.ChoiceField(choices=SETTLEMENT_MODES, default=SETTLEMENT_MODES[0])
    phases = serializers.ListField(child=PlanPhaseSerializer(), max_length=50)


class PlanCreateSerializer(PlanUpdateSerializer):
    key = KeyField()
    currency = CurrencyField(default="USD")


class PlanSerializer(WireSerializer):
    """Expects phases and rate cards prefetched: see `plans_for_display`."""

    id = ULIDField()
    key = KeyField()
    version = serializers.IntegerField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    currency = CurrencyField()
    billing_cadence = CadenceField()
    pro_rating_config = serializers.SerializerMethodField()
    settlement_mode = serializers.ChoiceField(choices=SETTLEMENT_MODES)
    effective_from = TimeField(required=False)
    effective_to = TimeField(required=False)
    status = serializers.SerializerMethodField()
    phases = serializers.SerializerMethodField()
    validation_errors = serializers.SerializerMethodField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)

    keep_null = frozenset({"validationErrors"})

    @extend_schema_field(ProRatingInputSerializer)
    def get_pro_rating_config(self, plan: Plan) -> dict[str, Any]:
        return {"enabled": plan.pro_rating_enabled, "mode": "prorate_prices"}

    @extend_schema_field(serializers.ChoiceField(choices=PlanStatus.values))
    def get_status(self, plan: Plan) -> str:
        return str(version_status(plan, clock.now()))

    @extend_schema_field(PlanPhaseSerializer(many=True))
    def get_phases(self, plan: Plan) -> list[dict[str, Any]]:
        return [_phase_shown(phase) for phase in plan.phases.all()]

    @extend_schema_field({"type": "array", "nullable": True, "items": {"type": "object"}})
    def get_validation_errors(self, plan: Plan) -> None:
        """Always null: a plan that breaks a rule is refused and never stored."""


def _phase_shown(phase: PlanPhase) -> dict[str, Any]:
    shown = {
        "key": phase.key,
        "name": phase.name,
        "description": phase.description,
        "metadata": phase.metadata,
        "rateCards": [rate_card_shown(card) for card in phase.rate_cards.all()],
    }
    return {name: value for name, value in shown.items() if value is not None} | {"duration": phase.duration}


def rate_card_shown(card: RateCard | AddOnRateCard) -> dict[str, Any]:
    shown = {
        "type": card.type,
        "key": card.key,
        "name": card.name,
        "description": card.description,
        "metadata": card.metadata,
        "featureKey": card.feature.key if card.feature else None,
        "entitlementTemplate": card.entitlement_template,
        "taxConfig": card.tax_config,
        "discounts": card.discounts,
    }
    always = {"billingCadence": card.billing_cadence, "price": card.price}
    return {name: value for name, value in shown.items() if value is not None} | always


def plan_terms(body: dict[str, Any]) -> PlanTerms:
    """What the services take, from a validated body: not yet checked against the rules of plans."""
    return PlanTerms(
        name=body["name"],
        currency=body.get("currency", ""),
        billing_cadence=body["billing_cadence"],
        pro_rating_enabled=body.get("pro_rating_config", {}).get("enabled", True),
        settlement_mode=body["settlement_mode"],
        phases=tuple(
            PhaseTerms(
                key=phase["key"],
                name=phase["name"],
                description=phase.get("description"),
                metadata=phase.get("metadata", {}),
                duration=phase.get("duration"),
                rate_cards=tuple(rate_card_terms(card) for card in phase["rate_cards"]),
            )
            for phase in body["phases"]
        ),
    )


def rate_card_terms(card: dict[str, Any]) -> RateCardTerms:
    """One rate card of a validated body."""
    return RateCardTerms(
        type=card["type"],
        key=card["key"],
        name=card["name"],
        description=card.get("description"),
        metadata=card.get("metadata", {}),
        feature_key=card.get("feature_key"),
        billing_cadence=card.get("billing_cadence"),
        price=card.get("price"),
        discounts=card.get("discounts"),
        tax_config=card.get("tax_config"),
        entitlement_template=card.get("entitlement_template"),
    )
