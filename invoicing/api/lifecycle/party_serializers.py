"""Supplier, customer and settings on the wire, as an invoice froze them (or, still gathering, as they would apply)."""

from collections.abc import Mapping
from typing import Any

from core.rest.fields import ULIDField
from core.rest.serializers import WireSerializer
from customers.api.app_serializers import ProfileAppsSerializer
from customers.api.serializers import UsageAttributionSerializer
from customers.api.supplier_serializers import PartySerializer
from customers.api.workflow_serializers import WorkflowSerializer


class InvoiceCustomerSerializer(PartySerializer):
    usage_attribution = UsageAttributionSerializer()


class WorkflowSettingsSerializer(WireSerializer):
    """`apps` is there with `expand=workflow.apps`."""

    apps = ProfileAppsSerializer(required=False)
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
