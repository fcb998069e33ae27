"""Parties and suppliers on the wire."""

from typing import Any

from rest_framework import serializers

from core.rest.fields import KeyField, TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from customers.api.serializers import AddressSerializer
from customers.models import Supplier
from customers.services.customer_input import ADDRESS_FIELDS
from customers.services.supplier_input import SupplierInput


class TaxIdentitySerializer(WireSerializer):
    code = TextField(required=False, allow_blank=True, max_length=64)


class PartySerializer(WireSerializer):
    id = TextField(required=False)
    key = TextField(required=False)
    name = TextField(required=False)
    tax_id = TaxIdentitySerializer(required=False)
    addresses = AddressSerializer(many=True, required=False)


class SupplierReferenceSerializer(WireSerializer):
    """The supplier in a profile's body: one that there is (by `id`, `key` or the same details), or a new one."""

    id = ULIDField(required=False)
    key = TextField(required=False, max_length=64)
    name = TextField(required=False, max_length=256)
    tax_id = TaxIdentitySerializer(required=False)
    addresses = serializers.ListField(child=AddressSerializer(), required=False, max_length=1)


class SupplierInputSerializer(SupplierReferenceSerializer):
    """Prefixes, which number the supplier's documents, can be given once; left out, they are made from the name."""

    key = KeyField(required=False)
    name = TextField(max_length=256)
    email = serializers.EmailField(required=False)
    invoice_prefix = TextField(required=False, max_length=16)
    credit_note_prefix = TextField(required=False, max_length=16)

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        del fields["id"]
        return fields


class SupplierSerializer(WireSerializer):
    id = ULIDField()
    key = TextField(required=False)
    name = TextField()
    tax_id = TaxIdentitySerializer(required=False)
    addresses = AddressSerializer(many=True)
    email = TextField(required=False)
    invoice_prefix = TextField()
    credit_note_prefix = TextField()
    created_at = TimeField()
    updated_at = TimeField()


def supplier_input(body: dict[str, Any]) -> SupplierInput:
    """What the services take, from a validated body."""
    addresses = body.get("addresses", [])
    return SupplierInput(
        id=body.get("id"),
        key=body.get("key"),
        name=body.get("name"),
        tax_id=body.get("tax_id", {}).get("code", ""),
        email=body.get("email"),
        address=addresses[0] if addresses else {},
        invoice_prefix=body.get("invoice_prefix"),
        credit_note_prefix=body.get("credit_note_prefix"),
    )


def show_supplier(supplier: Supplier) -> dict[str, Any]:
    """A supplier as `SupplierSerializer` and `PartySerializer` write it."""
    address = {name: getattr(supplier, name) for name in ADDRESS_FIELDS}
    return {
        "id": supplier.id,
        "key": supplier.key,
        "name": supplier.name,
        "tax_id": {"code": supplier.tax_id} if supplier.tax_id else None,
        "addresses": [_given(address)] if any(address.values()) else [],
        "email": supplier.email or None,
        "invoice_prefix": supplier.invoice_prefix,
        "credit_note_prefix": supplier.credit_note_prefix,
        "created_at": supplier.created_at,
        "updated_at": supplier.updated_at,
    }


def _given(address: dict[str, str]) -> dict[str, str | None]:
    return {name: value or None for name, value in address.items()}
