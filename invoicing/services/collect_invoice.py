"""Tries the charge of one invoice again, at once."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from customers.choices import CollectionMethod
from invoicing.choices import OPEN_STATUSES
from invoicing.errors import WrongInvoiceState
from invoicing.models import Invoice
from invoicing.services.collect import collect_invoices


def collect_invoice(*, invoice: Invoice) -> Invoice:
    """Charge what is due on `invoice` now. WrongInvoiceState when nothing is, or the customer pays by themselves."""
    with transaction.atomic():
        locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
        if locked.status not in OPEN_STATUSES or locked.due <= 0:
            raise WrongInvoiceState(f"Nothing is to be collected on {locked}: {locked.get_status_display()}.")
        if locked.collection_method != CollectionMethod.CHARGE_AUTOMATICALLY:
            raise WrongInvoiceState(f"{locked} was sent to the customer to pay: record the payment when it arrives.")
        now = clock.now()
        locked.next_collection_at = now
        locked.save(update_fields=["next_collection_at", "updated_at"])
        record(
            verb="collect_invoice",
            target=locked,
            did=f"tried to collect {locked.due} {locked.currency} for {locked}",
            customer_id=locked.customer_id,
        )
    collect_invoices([invoice.pk], as_of=now)
    invoice.refresh_from_db()
    return invoice
