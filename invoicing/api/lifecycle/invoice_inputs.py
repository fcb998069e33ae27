"""What callers send about invoices: a simulation, and the lines to invoice now."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from core.rest.fields import (
    CurrencyField,
    DecimalStringField,
    ObjectField,
    TextField,
    TextMapField,
    TimeField,
    ULIDField,
)
from core.rest.serializers import WireSerializer
from customers.api.workflow_serializers import TaxConfigSerializer
from invoicing.gathering.add_charges import MOST_LINES, Charge
from invoicing.gathering.simulate_invoice import SimulatedLine


class PeriodInputSerializer(WireSerializer):
    """Half-open: `to` is the first moment after it."""

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` is a word of Python's, so it can't be declared.
        return {"from": TimeField(source="start"), "to": TimeField(source="end")}


class RateCardInputSerializer(WireSerializer):
    feature_key = TextField(required=False, max_length=64)
    tax_config = TaxConfigSerializer(required=False)
    price = ObjectField(required=False)
    discounts = ObjectField(required=False)


class SimulationLineSerializer(WireSerializer):
    """`eventCount`, for prices with a fee per event, is ours beyond the clients' types."""

    id = ULIDField(required=False)
    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    tax_config = TaxConfigSerializer(required=False)
    period = PeriodInputSerializer()
    invoice_at = TimeField()
    price = ObjectField(required=False)
    feature_key = TextField(required=False, max_length=64)
    rate_card = RateCardInputSerializer(required=False)
    quantity = DecimalStringField(negative=False)
    pre_line_period_quantity = DecimalStringField(required=False, negative=False)
    event_count = serializers.IntegerField(required=False, min_value=0, max_value=2_147_483_647)


class SimulationSerializer(WireSerializer):
    number = TextField(required=False, max_length=64)
    currency = CurrencyField()
    lines = serializers.ListField(child=SimulationLineSerializer(), max_length=1000)


def simulated_line(body: Mapping[str, Any]) -> SimulatedLine:
    """What the service takes, from a validated line; the rate card wins over the older fields beside it."""
    card = body.get("rate_card", {})
    return SimulatedLine(
        id=body.get("id"),
        name=body["name"],
        description=body.get("description"),
        metadata=body.get("metadata", {}),
        start=body["period"]["start"],
        end=body["period"]["end"],
        invoice_at=body["invoice_at"],
        quantity=body["quantity"],
        pre_quantity=body.get("pre_line_period_quantity", Decimal(0)),
        events=body.get("event_count", 0),
        price=card.get("price", body.get("price")),
        discounts=card.get("discounts"),
        tax_config=card.get("tax_config", body.get("tax_config")),
        feature_key=card.get("feature_key", body.get("feature_key")),
    )


class ChargeSerializer(WireSerializer):
    """A charge by hand. `quantity`, of a flat price, is ours beyond the clients' types."""

    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False, allow_null=True)
    tax_config = TaxConfigSerializer(required=False)
    period = PeriodInputSerializer()
    invoice_at = TimeField()
    price = ObjectField(required=False)
    feature_key = TextField(required=False, max_length=64)
    rate_card = RateCardInputSerializer(required=False)
    quantity = DecimalStringField(required=False, negative=False)


class ChargesSerializer(WireSerializer):
    currency = CurrencyField()
    lines = serializers.ListField(child=ChargeSerializer(), min_length=1, max_length=MOST_LINES)


def charge_of(body: Mapping[str, Any]) -> Charge:
    """What the service takes, from a validated line; the rate card wins over the older fields beside it."""
    card = body.get("rate_card", {})
    return Charge(
        name=body["name"],
        description=body.get("description"),
        metadata=body.get("metadata") or {},
        start=body["period"]["start"],
        end=body["period"]["end"],
        invoice_at=body["invoice_at"],
        quantity=body.get("quantity", Decimal(1)),
        price=card.get("price", body.get("price")),
        discounts=card.get("discounts"),
        tax_config=card.get("tax_config", body.get("tax_config")),
        feature_key=card.get("feature_key", body.get("feature_key")),
    )


class PendingLinesFiltersSerializer(WireSerializer):
    line_ids = serializers.ListField(child=ULIDField(), required=False, max_length=1000)


class InvoicePendingLinesSerializer(WireSerializer):
    customer_id = ULIDField()
    as_of = TimeField(required=False)
    filters = PendingLinesFiltersSerializer(required=False)
    progressive_billing_override = serializers.BooleanField(required=False)


class DeleteDraftQuerySerializer(WireSerializer):
    """Ours beyond the clients' types: whether the draft's periods are billed again at the next close, and why."""

    rebill = serializers.BooleanField(required=False, default=True)
    reason = TextField(required=False, default="Deleted through the API.", max_length=1024)
