"""The workflow of invoices on the wire: as a profile or an override says it, and as it applies to a customer."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.errors import field_error
from core.rest.fields import (
    CadenceField,
    CurrencyField,
    DecimalStringField,
    DurationField,
    TextField,
    TimeField,
)
from core.rest.serializers import WireSerializer
from customers.choices import CollectionAlignment, CollectionMethod, LateUsage, TaxBehavior

_INTERVALS = {"DAY": "P1D", "WEEK": "P1W", "MONTH": "P1M", "YEAR": "P1Y"}
_INTERVAL_NAMES = {cadence: name for name, cadence in _INTERVALS.items()}
_PRORATION_MODES = ("bill_full_period", "bill_actual_period")


@extend_schema_field({"type": "string", "example": "MONTH", "description": "DAY, WEEK, MONTH, YEAR, or a duration."})
class IntervalField(CadenceField):
    """How often something recurs: one of four names, or an ISO 8601 duration."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(_INTERVALS.get(data, data) if isinstance(data, str) else data)

    def to_representation(self, value: str) -> str:
        return _INTERVAL_NAMES.get(value, value)


class RecurringPeriodSerializer(WireSerializer):
    interval = IntervalField()
    anchor = TimeField()


class CollectionAlignmentSerializer(WireSerializer):
    """`recurringPeriod` is for anchored collection."""

    type = serializers.ChoiceField(choices=CollectionAlignment.values)
    recurring_period = RecurringPeriodSerializer(required=False)


class CollectionSettingsSerializer(WireSerializer):
    alignment = CollectionAlignmentSerializer(required=False)
    interval = DurationField(required=False)


class StripeTaxConfigSerializer(WireSerializer):
    code = TextField(max_length=64)


class TaxConfigSerializer(WireSerializer):
    behavior = serializers.ChoiceField(choices=TaxBehavior.values, required=False)
    stripe = StripeTaxConfigSerializer(required=False)


class ThresholdSerializer(WireSerializer):
    amount = DecimalStringField(negative=False, zero=False)
    currency = CurrencyField()


class InvoicingSettingsSerializer(WireSerializer):
    """Ours beyond the clients' types are `progressiveBillingThreshold`, and `lateUsage`: whether usage that comes after
    its period's quantities were fixed is billed on the next invoice, or waits for a decision."""

    auto_advance = serializers.BooleanField(required=False)
    draft_period = DurationField(required=False)
    due_after = DurationField(required=False)
    progressive_billing = serializers.BooleanField(required=False)
    progressive_billing_threshold = ThresholdSerializer(required=False)
    late_usage = serializers.ChoiceField(choices=LateUsage.values, required=False)
    subscription_end_proration_mode = serializers.ChoiceField(choices=_PRORATION_MODES, required=False)
    default_tax_config = TaxConfigSerializer(required=False)


class PaymentSettingsSerializer(WireSerializer):
    """Ours are `dunningDays`, on which days after the first failed charge it is tried again, and
    `uncollectibleAfterDunning`, whether it is given up once all have failed and it is overdue."""

    collection_method = serializers.ChoiceField(choices=CollectionMethod.values, required=False)
    dunning_days = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=20)
    uncollectible_after_dunning = serializers.BooleanField(required=False)


class TaxSettingsSerializer(WireSerializer):
    enabled = serializers.BooleanField(required=False)
    enforced = serializers.BooleanField(required=False)


class WorkflowSerializer(WireSerializer):
    """What is left out is as the profile, or our default, says."""

    collection = CollectionSettingsSerializer(required=False)
    invoicing = InvoicingSettingsSerializer(required=False)
    payment = PaymentSettingsSerializer(required=False)
    tax = TaxSettingsSerializer(required=False)


def read_workflow(body: Mapping[str, Any]) -> dict[str, Any]:
    """The workflow fields that a validated body says something about, and no others.

    InvalidInput for `bill_full_period`, which we don't offer: a shortened period is billed for what it was.
    """
    collection, invoicing = body.get("collection", {}), body.get("invoicing", {})
    payment, tax = body.get("payment", {}), body.get("tax", {})
    if invoicing.get("subscription_end_proration_mode") == "bill_full_period":
        raise field_error(
            "workflow.invoicing.subscriptionEndProrationMode",
            "not_offered",
            "A period that a subscription's end cuts short is billed for what it was: use bill_actual_period.",
        )
    said: dict[str, Any] = {}
    alignment = collection.get("alignment")
    if alignment is not None:
        rhythm = alignment.get("recurring_period", {})
        said["collection_alignment"] = alignment["type"]
        if alignment["type"] == CollectionAlignment.ANCHORED:
            said["collection_cadence"] = rhythm.get("interval", "")
            said["collection_anchor"] = rhythm.get("anchor")
    _take(said, collection, collection_interval="interval")
    _take(
        said,
        invoicing,
        auto_advance="auto_advance",
        draft_period="draft_period",
        due_after="due_after",
        progressive_billing="progressive_billing",
        late_usage="late_usage",
    )
    threshold = invoicing.get("progressive_billing_threshold")
    if threshold is not None:
        said["progressive_threshold"] = threshold["amount"]
        said["progressive_threshold_currency"] = threshold["currency"]
    tax_config = invoicing.get("default_tax_config", {})
    _take(said, tax_config, tax_behavior="behavior")
    if "stripe" in tax_config:
        said["tax_code"] = tax_config["stripe"]["code"]
    _take(
        said,
        payment,
        collection_method="collection_method",
        dunning_days="dunning_days",
        uncollectible_after_dunning="uncollectible_after_dunning",
    )
    _take(said, tax, tax_enabled="enabled", tax_enforced="enforced")
    return said


def _take(said: dict[str, Any], part: Mapping[str, Any], **columns: str) -> None:
    for column, name in columns.items():
        if name in part:
            said[column] = part[name]


def show_workflow(values: Mapping[str, Any]) -> dict[str, Any]:
    """Workflow fields, live or frozen into an invoice, as `WorkflowSerializer` writes them."""
    get = values.get
    alignment, anchor, threshold = get("collection_alignment"), get("collection_anchor"), get("progressive_threshold")
    rhythm = None
    if alignment == CollectionAlignment.ANCHORED and get("collection_cadence") and anchor:
        moment = datetime.fromisoformat(anchor) if isinstance(anchor, str) else anchor
        rhythm = {"interval": values["collection_cadence"], "anchor": moment}
    tax_config = {"behavior": get("tax_behavior"), "stripe": {"code": get("tax_code")} if get("tax_code") else None}
    return {
        "collection": _some(
            alignment={"type": alignment, "recurring_period": rhythm} if alignment else None,
            interval=get("collection_interval"),
        ),
        "invoicing": _some(
            auto_advance=get("auto_advance"),
            draft_period=get("draft_period"),
            due_after=get("due_after"),
            progressive_billing=get("progressive_billing"),
            late_usage=get("late_usage"),
            progressive_billing_threshold=(
                {"amount": Decimal(threshold), "currency": get("progressive_threshold_currency")} if threshold else None
            ),
            default_tax_config=tax_config if any(tax_config.values()) else None,
        ),
        "payment": _some(
            collection_method=get("collection_method"),
            dunning_days=get("dunning_days"),
            uncollectible_after_dunning=get("uncollectible_after_dunning"),
        ),
        "tax": _some(enabled=get("tax_enabled"), enforced=get("tax_enforced")),
    }


def _some(**values: Any) -> dict[str, Any] | None:
    """The values that something is said of; None where nothing is."""
    said = {name: value for name, value in values.items() if value is not None}
    return said or None
