"""Supplier, customer and settings on the wire, as an invoice froze them (or, still gathering, as they would apply)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from core.rest.fields import DurationField, ObjectField, TextField, ULIDField
from core.rest.serializers import WireSerializer
from customers.api.serializers import AddressSerializer, UsageAttributionSerializer
from customers.choices import CollectionAlignment, CollectionMethod, TaxBehavior


class TaxIdentitySerializer(WireSerializer):
    code = TextField(required=False)


class PartySerializer(WireSerializer):
    id = TextField(required=False)
    key = TextField(required=False)
    name = TextField(required=False)
    tax_id = TaxIdentitySerializer(required=False)
    addresses = AddressSerializer(many=True, required=False)


class InvoiceCustomerSerializer(PartySerializer):
    usage_attribution = UsageAttributionSerializer()


class CollectionAlignmentSerializer(WireSerializer):
    type = serializers.ChoiceField(choices=CollectionAlignment.values)


class CollectionSettingsSerializer(WireSerializer):
    alignment = CollectionAlignmentSerializer()
    interval = DurationField()


class TaxConfigSerializer(WireSerializer):
    behavior = serializers.ChoiceField(choices=TaxBehavior.values, required=False)
    stripe = ObjectField(required=False)


class InvoicingSettingsSerializer(WireSerializer):
    auto_advance = serializers.BooleanField()
    draft_period = DurationField()
    due_after = DurationField()
    progressive_billing = serializers.BooleanField()
    default_tax_config = TaxConfigSerializer(required=False)


class PaymentSettingsSerializer(WireSerializer):
    collection_method = serializers.ChoiceField(choices=CollectionMethod.values)


class TaxSettingsSerializer(WireSerializer):
    enabled = serializers.BooleanField()
    enforced = serializers.BooleanField()


class WorkflowSerializer(WireSerializer):
    collection = CollectionSettingsSerializer()
    invoicing = InvoicingSettingsSerializer()
    payment = PaymentSettingsSerializer()
    tax = TaxSettingsSerializer()


class AppReferenceSerializer(WireSerializer):
    """With `expand=workflow.apps` it has type, name and status too."""

    id = ULIDField()
    type = TextField(required=False)
    name = TextField(required=False)
    status = TextField(required=False)


class AppsSerializer(WireSerializer):
    tax = AppReferenceSerializer()
    invoicing = AppReferenceSerializer()
    payment = AppReferenceSerializer()


class WorkflowSettingsSerializer(WireSerializer):
    apps = AppsSerializer(required=False)
    source_billing_profile_id = ULIDField()
    workflow = WorkflowSerializer()


def party(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """A supplier's or customer's snapshot as `PartySerializer` reads it."""
    tax_code, address = snapshot.get("taxId"), snapshot.get("address")
    return {
        "id": snapshot.get("id"),
        "key": snapshot.get("key"),
        "name": snapshot.get("name"),
        "tax_id": {"code": tax_code} if tax_code else None,
        "addresses": [_columns(address)] if address else [],
        "usage_attribution": {"subject_keys": snapshot.get("subjectKeys", [])},
    }


def workflow(values: Mapping[str, Any]) -> dict[str, Any]:
    """Effective settings as `WorkflowSerializer` reads them."""
    tax_config = {
        "behavior": values["tax_behavior"],
        "stripe": {"code": values["tax_code"]} if values["tax_code"] else None,
    }
    return {
        "collection": {
            "alignment": {"type": values["collection_alignment"]},
            "interval": values["collection_interval"],
        },
        "invoicing": {
            "auto_advance": values["auto_advance"],
            "draft_period": values["draft_period"],
            "due_after": values["due_after"],
            "progressive_billing": values["progressive_billing"],
            "default_tax_config": tax_config if any(tax_config.values()) else None,
        },
        "payment": {"collection_method": values["collection_method"]},
        "tax": {"enabled": values["tax_enabled"], "enforced": values["tax_enforced"]},
    }


def _columns(address: Mapping[str, str]) -> dict[str, str]:
    return {
        "country": address.get("country", ""),
        "postal_code": address.get("postalCode", ""),
        "state": address.get("state", ""),
        "city": address.get("city", ""),
        "line1": address.get("line1", ""),
        "line2": address.get("line2", ""),
        "phone_number": address.get("phoneNumber", ""),
    }
