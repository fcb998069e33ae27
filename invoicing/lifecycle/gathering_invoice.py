"""Owns how a gathering invoice is found, or begun, for what is added to it by hand (billing rules 6)."""

import uuid

from core.ids import new_id
from invoicing.choices import InvoiceStatus
from invoicing.lifecycle.states import check_beginnings
from invoicing.models import Invoice


def gathering_invoice(customer_id: uuid.UUID, currency: str) -> tuple[Invoice, bool]:
    """The customer's gathering invoice in `currency`, and whether it is new. Call it behind
    the customer's lock."""
    check_beginnings({InvoiceStatus.GATHERING})
    return Invoice.objects.get_or_create(
        customer_id=customer_id, currency=currency, status=InvoiceStatus.GATHERING, defaults={"id": new_id()}
    )
