"""Tries the charge of one invoice again, at once."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from customers.choices import CollectionMethod
from invoicing.choices import IN_FLIGHT, OPEN_STATUSES, PaymentStatus
from invoicing.errors import WrongInvoiceState
from invoicing.gateways import GATEWAYS, REMOTE_GATEWAYS
from invoicing.gateways.never import CANNOT_CHARGE, WHAT_HELPS
from invoicing.models import Invoice
from invoicing.payments.collect import cannot_charge, collect_invoices


def why_never(invoice: Invoice) -> str:
    """Why what is due can't be charged at the invoice's app, and what helps; empty where it can be tried."""
    if invoice.app is not None and invoice.app.type not in GATEWAYS:
        return f"{cannot_charge(invoice.app).failure_message} {WHAT_HELPS[CANNOT_CHARGE]}"
    gateway = REMOTE_GATEWAYS.get(invoice.app.type) if invoice.app is not None else None
    never = gateway.why_never(invoice.due, invoice.currency) if gateway is not None else None
    return f"{never.failure_message} {WHAT_HELPS[never.failure_code]}" if never is not None else ""


def collect_invoice(*, invoice: Invoice) -> Invoice:
    """Charge what is due on `invoice` now, or have a worker do so within seconds where that is a call over the network.

    WrongInvoiceState when nothing is due, a charge is under way, the customer pays by themselves, or it is known
    without asking that the app never charges this amount.
    """
    with transaction.atomic():
        locked = Invoice.objects.select_for_update(of=("self",)).select_related("app").get(pk=invoice.pk)
        if locked.status not in OPEN_STATUSES or locked.due <= 0:
            raise WrongInvoiceState(f"Nothing is to be collected on {locked}: {locked.get_status_display()}.")
        if locked.collection_method != CollectionMethod.CHARGE_AUTOMATICALLY:
            raise WrongInvoiceState(f"{locked} was sent to the customer to pay: record the payment when it arrives.")
        if locked.payments.filter(status__in=IN_FLIGHT).exists():
            raise WrongInvoiceState(f"A charge of {locked} is under way: wait for its outcome. Nothing was changed.")
        never = why_never(locked)
        if never:
            raise WrongInvoiceState(f"{never} Nothing was changed.")
        now = clock.now()
        # A charge that the customer could still confirm is ended first: two must never succeed.
        waiting = locked.payments.filter(status=PaymentStatus.ACTION_REQUIRED, external_id__isnull=False)
        if waiting.update(to_cancel=True, next_check_at=clock.real_now()):
            locked.status_note = "The charge that waits for the customer is ended, then a new one is made."
            locked.save(update_fields=["status_note", "updated_at"])
            return locked
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
