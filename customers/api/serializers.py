"""The customer on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import CurrencyField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from customers.models import Customer
from customers.services.customer_input import ADDRESS_FIELDS, CustomerInput


class AddressSerializer(WireSerializer):
    """Columns that aren't given are empty texts in the database and absent on the wire."""

    country = TextField(required=False, min_length=2, max_length=2)
    postal_code = TextField(required=False, allow_blank=True, max_length=32)
    state = TextField(required=False, allow_blank=True, max_length=100)
    city = TextField(required=False, allow_blank=True, max_length=100)
    line1 = TextField(required=False, allow_blank=True, max_length=200)
    line2 = TextField(required=False, allow_blank=True, max_length=200)
    phone_number = TextField(required=False, allow_blank=True, max_length=50)


class UsageAttributionSerializer(WireSerializer):
    subject_keys = serializers.ListField(child=TextField(max_length=256, trim_whitespace=False), max_length=1000)


class CustomerInputSerializer(WireSerializer):
    """`timezone` and `taxId` are ours beyond the clients' types: left out, they stay as they are."""

    shown_only = frozenset({"currentSubscriptionId", "subscriptions"})

    name = TextField(max_length=256)
    key = TextField(required=False, max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    usage_attribution = UsageAttributionSerializer(required=False)
    primary_email = TextField(required=False, max_length=254)
    currency = CurrencyField(required=False)
    billing_address = AddressSerializer(required=False)
    timezone = TextField(required=False, max_length=64)
    tax_id = TextField(required=False, allow_blank=True, max_length=64)


def customer_input(body: dict[str, Any]) -> CustomerInput:
    """What the service takes, from a validated body."""
    attribution = body.get("usage_attribution")
    return CustomerInput(
        name=body["name"],
        key=body.get("key"),
        description=body.get("description"),
        primary_email=body.get("primary_email"),
        currency=body.get("currency"),
        time_zone=body.get("timezone"),
        tax_id=body.get("tax_id"),
        metadata=body.get("metadata", {}),
        address=body.get("billing_address", {}),
        subjects=None if attribution is None else tuple(attribution["subject_keys"]),
    )


class CustomerSerializer(WireSerializer):
    """Expects `current_subjects` on the customer: see `customers_for_display`."""

    id = ULIDField()
    name = TextField()
    key = TextField(required=False)
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)
    usage_attribution = serializers.SerializerMethodField()
    primary_email = TextField(required=False)
    currency = CurrencyField(required=False)
    billing_address = serializers.SerializerMethodField()
    timezone = TextField(source="time_zone")
    tax_id = serializers.SerializerMethodField()

    @extend_schema_field(UsageAttributionSerializer)
    def get_usage_attribution(self, customer: Customer) -> dict[str, list[str]]:
        return {"subjectKeys": [subject.key for subject in customer.current_subjects]}  # type: ignore[attr-defined]

    @extend_schema_field(AddressSerializer(required=False))
    def get_billing_address(self, customer: Customer) -> dict[str, Any] | None:
        has_address = any(getattr(customer, name) for name in ADDRESS_FIELDS)
        return customer.address_on_the_wire() if has_address else None

    def get_tax_id(self, customer: Customer) -> str | None:
        return customer.tax_id or None
