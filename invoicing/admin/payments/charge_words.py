"""Says of invoices that were just made whose charge did not succeed, so that no page calls it a success."""

import uuid
from collections.abc import Collection

from invoicing.choices import InvoiceStatus
from invoicing.models import Invoice

_NOT_PAID = (InvoiceStatus.PAYMENT_FAILED, InvoiceStatus.PAYMENT_ACTION_REQUIRED)


def not_charged(invoice_ids: Collection[uuid.UUID]) -> str:
    """One sentence for each of these invoices whose charge was tried and did not succeed; "" where there is none."""
    if not invoice_ids:
        return ""
    found = Invoice.objects.filter(pk__in=invoice_ids, status__in=_NOT_PAID, due__gt=0).order_by("number")
    return " ".join(f"The charge of {invoice} did not succeed: {invoice.status_note}".strip() for invoice in found)
