"""Owns what an invoice freezes at creation: supplier, customer and settings as they were (billing rules 5)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from core.ids import to_text
from customers.attribution import Attribution, current_keys
from customers.effective_settings import Terms
from customers.models import Customer, Supplier


def supplier_snapshot(supplier: Supplier) -> dict[str, Any]:
    """The supplier as the invoice prints it."""
    return {
        "id": to_text(supplier.id),
        "key": supplier.key,
        "name": supplier.name,
        "taxId": supplier.tax_id,
        "email": supplier.email,
        "address": supplier.address_on_the_wire(),
    }


def customer_snapshot(customer: Customer, subjects: tuple[Attribution, ...]) -> dict[str, Any]:
    """The customer as the invoice prints it."""
    return {
        "id": to_text(customer.id),
        "key": customer.key,
        "name": customer.name,
        "primaryEmail": customer.primary_email,
        "taxId": customer.tax_id,
        "timeZone": customer.time_zone,
        "address": customer.address_on_the_wire(),
        "subjectKeys": list(current_keys(subjects)),
    }


def workflow_snapshot(terms: Terms) -> dict[str, Any]:
    """The effective settings with the origin of each."""
    values = {name: _in_json(value) for name, value in terms.settings.values.items()}
    return {"profile": terms.profile.name, "values": values, "origins": dict(terms.settings.origins)}


def _in_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
