"""Invoice lines and their detailed lines on the wire."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import to_text
from core.money import ZERO, to_wire
from core.rest.fields import (
    CurrencyField,
    DecimalStringField,
    MoneyField,
    NumberField,
    ObjectField,
    TextField,
    TextMapField,
    TimeField,
    ULIDField,
)
from core.rest.serializers import WireSerializer
from core.rest.wire_json import number_text
from invoicing.api.period_field import BilledPeriodField
from invoicing.choices import LineManagedBy, LineStatus
from invoicing.models import InvoiceDetailedLine, InvoiceLine
from invoicing.rating import COMMITMENT, REGULAR, Explanation, read_explanation
from invoicing.rating.explanation import ChargeExplanation, ExplainedPart
from subscriptions.api.lifecycle.subscription_serializers import PeriodSerializer


class TotalsSerializer(WireSerializer):
    """`amount` is before discounts, commitments and taxes; `total` after all of them."""

    amount = MoneyField()
    charges_total = MoneyField()
    discounts_total = MoneyField()
    credits_total = MoneyField()
    taxes_inclusive_total = MoneyField()
    taxes_exclusive_total = MoneyField()
    taxes_total = MoneyField()
    total = MoneyField()


class InvoiceReferenceSerializer(WireSerializer):
    id = ULIDField()
    number = TextField(required=False)


class IdSerializer(WireSerializer):
    id = ULIDField()


class SubscriptionReferenceSerializer(WireSerializer):
    subscription = IdSerializer()
    phase = IdSerializer()
    item = IdSerializer()
    billing_period = PeriodSerializer()


class DiscountReasonSerializer(WireSerializer):
    """`coupon`, with its `code`, is ours beyond the clients' types."""

    type = serializers.ChoiceField(choices=["maximum_spend", "ratecard_percentage", "ratecard_usage", "coupon"])
    percentage = NumberField(required=False)
    quantity = DecimalStringField(required=False)
    code = TextField(required=False)


class AmountDiscountSerializer(WireSerializer):
    id = ULIDField()
    created_at = TimeField()
    updated_at = TimeField()
    reason = DiscountReasonSerializer()
    amount = TextField()


class UsageDiscountSerializer(WireSerializer):
    id = ULIDField()
    created_at = TimeField()
    updated_at = TimeField()
    reason = DiscountReasonSerializer()
    quantity = TextField()


class DiscountsSerializer(WireSerializer):
    amount = AmountDiscountSerializer(many=True, required=False)
    usage = UsageDiscountSerializer(many=True, required=False)


class LineRateCardSerializer(WireSerializer):
    keep_null = frozenset({"price"})

    feature_key = TextField(required=False)
    tax_config = ObjectField(required=False)
    price = ObjectField(allow_null=True)
    discounts = ObjectField(required=False)
    quantity = DecimalStringField(required=False)


class DetailedLineSerializer(WireSerializer):
    """One part of a line's amount. Its context is its line: see `LineSerializer`."""

    id = ULIDField()
    name = TextField()
    created_at = TimeField()
    updated_at = TimeField()
    type = serializers.ChoiceField(choices=["flat_fee"])
    managed_by = serializers.ChoiceField(choices=LineManagedBy.values)
    status = serializers.ChoiceField(choices=["detailed"])
    category = serializers.ChoiceField(choices=[REGULAR, COMMITMENT])
    invoice = InvoiceReferenceSerializer()
    currency = CurrencyField()
    period = PeriodSerializer()
    invoice_at = TimeField()
    quantity = DecimalStringField()
    per_unit_amount = DecimalStringField()
    rate_card = LineRateCardSerializer()
    discounts = DiscountsSerializer(required=False)
    totals = TotalsSerializer()


class LineSerializer(WireSerializer):
    """Expects `shown_details` on the line, `phase_id`, and its invoice: see `invoices_for_display`.

    `parentLineId`, `amendsLineId` (the line that an adjustment adds to) and `explain` (the explanation that the amount
    can be computed from again) are ours beyond the clients' types.
    """

    id = ULIDField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)
    type = serializers.SerializerMethodField()
    managed_by = serializers.ChoiceField(choices=LineManagedBy.values)
    status = serializers.ChoiceField(choices=LineStatus.values)
    parent_line_id = ULIDField(source="parent_id", required=False)
    amends_line_id = ULIDField(source="amends_id", required=False)
    invoice = serializers.SerializerMethodField()
    currency = CurrencyField()
    period = BilledPeriodField()
    invoice_at = TimeField()
    feature_key = TextField(required=False)
    price = ObjectField(required=False)
    tax_config = ObjectField(required=False)
    rate_card = serializers.SerializerMethodField()
    quantity = DecimalStringField(required=False)
    metered_quantity = DecimalStringField(required=False)
    pre_line_period_quantity = DecimalStringField(source="pre_period_quantity", required=False)
    discounts = serializers.SerializerMethodField()
    totals = TotalsSerializer(source="*")
    subscription = serializers.SerializerMethodField()
    children = serializers.SerializerMethodField()
    explain = ObjectField(required=False)

    @extend_schema_field(serializers.ChoiceField(choices=["usage_based"]))
    def get_type(self, line: InvoiceLine) -> str:
        return "usage_based"

    @extend_schema_field(InvoiceReferenceSerializer)
    def get_invoice(self, line: InvoiceLine) -> dict[str, Any]:
        return self.context["reference"]

    @extend_schema_field(LineRateCardSerializer)
    def get_rate_card(self, line: InvoiceLine) -> dict[str, Any]:
        card = {
            "feature_key": line.feature_key,
            "tax_config": line.tax_config,
            "price": line.price,
            "discounts": line.discounts,
        }
        return LineRateCardSerializer(card | {"quantity": None}).data

    @extend_schema_field(DiscountsSerializer(required=False))
    def get_discounts(self, line: InvoiceLine) -> dict[str, Any] | None:
        explanation = _explanation(line)
        free = explanation.quantity.free if isinstance(explanation, ChargeExplanation) else ZERO
        usage = [
            _discount(line, "usage", 0, {"type": "ratecard_usage", "quantity": free}) | {"quantity": number_text(free)}
        ]
        amounts = [
            discount
            for position, part in enumerate(explanation.parts if explanation is not None else ())
            for discount in _part_discounts(line, position, part)
        ]
        if not free and not amounts:
            return None
        return DiscountsSerializer({"amount": amounts, "usage": usage if free else []}).data

    @extend_schema_field(SubscriptionReferenceSerializer(required=False))
    def get_subscription(self, line: InvoiceLine) -> dict[str, Any] | None:
        if line.subscription_id is None or line.revision_id is None:
            return None
        return {
            "subscription": {"id": to_text(line.subscription_id)},
            "phase": {"id": to_text(line.phase_id)},  # type: ignore[attr-defined]
            "item": {"id": to_text(line.revision_id)},
            "billingPeriod": _period(line),
        }

    @extend_schema_field(DetailedLineSerializer(many=True))
    def get_children(self, line: InvoiceLine) -> list[dict[str, Any]]:
        explanation = _explanation(line)
        parts = explanation.parts if explanation is not None else ()
        details: list[InvoiceDetailedLine] = line.shown_details  # type: ignore[attr-defined]
        return [
            DetailedLineSerializer(
                _child(line, detail, parts[position] if position < len(parts) else None, self.context["reference"])
            ).data
            for position, detail in enumerate(details)
        ]


class LineExplanationSerializer(WireSerializer):
    """`explain` is the explanation that the line's amount can be computed again from; `readable` says it in words."""

    line_id = ULIDField()
    explain = ObjectField()
    readable = serializers.ListField(child=TextField())


def _explanation(line: InvoiceLine) -> Explanation | None:
    return None if line.explain is None else read_explanation(line.explain)


def _child(
    line: InvoiceLine, detail: InvoiceDetailedLine, part: ExplainedPart | None, reference: Mapping[str, Any]
) -> dict[str, Any]:
    is_commitment = detail.category == COMMITMENT
    zero = detail.amount - detail.amount
    amounts = [] if part is None else list(_part_discounts(line, detail.position, part))
    return {
        "id": detail.id,
        "name": detail.name,
        "created_at": line.created_at,
        "updated_at": line.updated_at,
        "type": "flat_fee",
        "managed_by": LineManagedBy.SYSTEM,
        "status": "detailed",
        "category": detail.category,
        "invoice": {"id": line.invoice_id, "number": reference.get("number")},
        "currency": line.currency,
        "period": {"start": detail.period_start, "end": detail.period_end},
        "invoice_at": line.invoice_at,
        "quantity": detail.quantity,
        "per_unit_amount": detail.unit_amount,
        "rate_card": {
            "price": {"type": "flat", "amount": number_text(detail.unit_amount)},
            "quantity": detail.quantity,
            "feature_key": None,
            "tax_config": None,
            "discounts": None,
        },
        "discounts": {"amount": amounts, "usage": []} if amounts else None,
        "totals": {
            "amount": zero if is_commitment else detail.amount,
            "charges_total": detail.amount if is_commitment else zero,
            "discounts_total": detail.discounts_total,
            "credits_total": zero,
            "taxes_inclusive_total": zero,
            "taxes_exclusive_total": zero,
            "taxes_total": zero,
            "total": detail.total,
        },
    }


def _part_discounts(line: InvoiceLine, position: int, part: ExplainedPart) -> Iterator[dict[str, Any]]:
    for index, discount in enumerate(part.discounts):
        if discount.amount:
            reason = {"type": discount.reason, "code": discount.code, "percentage": discount.percentage}
            yield _discount(line, f"amount.{position}", index, reason) | {"amount": to_wire(discount.amount)}


def _discount(line: InvoiceLine, kind: str, index: int, reason: dict[str, Any]) -> dict[str, Any]:
    # Discounts are stored within the line's explanation; the wire wants an id of each, the same one every time.
    return {
        "id": uuid.uuid5(line.id, f"{kind}.{index}"),
        "created_at": line.created_at,
        "updated_at": line.updated_at,
        "reason": {"percentage": None, "quantity": None, "code": None} | reason,
    }


def _period(line: InvoiceLine) -> dict[str, Any]:
    return PeriodSerializer({"start": line.period_start, "end": line.period_end}).data
