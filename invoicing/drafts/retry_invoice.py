"""Tries the step at which an invoice stopped again: that step alone (billing rules 6)."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.batches import is_away
from core.locks import lock_customers
from invoicing.choices import InvoiceStatus
from invoicing.drafts.advance_invoice import collect_drafts, issue_and_notify, ready_to_issue, set_aside
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.draft_steps import TO_COLLECT, TO_RETRY
from invoicing.models import Invoice
from invoicing.payments.collect import collect_invoices
from invoicing.payments.collect_invoice import collect_invoice


def why_not_retry(invoice: Invoice) -> str:
    """Why nothing of `invoice` can be retried, "" where a step of it failed."""
    if invoice.status in (*TO_RETRY, InvoiceStatus.PAYMENT_FAILED):
        return ""
    return f"No step of it has failed that could be retried; it is: {invoice.get_status_display()}."


def retry_invoice(*, invoice: Invoice, reason: str = "") -> Invoice:
    """Collect the quantities of a draft whose collection failed, issue one that could not be issued, or charge what is
    due where the charge failed. Whatever comes after that step, it takes in its time.

    Where the step fails again, the draft stays in that state with the cause of now. WrongInvoiceState for any other
    invoice: also for one that somebody else has moved on meanwhile, of which nothing is done twice.
    """
    if Invoice.objects.filter(pk=invoice.pk, status=InvoiceStatus.PAYMENT_FAILED).exists():
        return collect_invoice(invoice=invoice)
    try:
        issued = _retried(invoice, reason)
    except WrongInvoiceState:
        raise
    except Exception as error:  # as when its time had come: the cause is kept for whoever mends it
        if is_away(error):
            raise
        set_aside(invoice.pk, error)
        issued = False
    if issued:
        collect_invoices([invoice.pk], as_of=clock.now())
    invoice.refresh_from_db()
    return invoice


@transaction.atomic
def _retried(invoice: Invoice, reason: str) -> bool:
    """Take the step; whether it was the issue."""
    lock_customers([invoice.customer_id])
    locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
    why_not = why_not_retry(locked)
    if why_not or locked.status not in TO_RETRY:
        raise WrongInvoiceState(f"{why_not or 'Its charge has failed meanwhile.'} Nothing was changed.")
    was = locked.get_status_display()
    now = clock.now()
    collects = locked.status in TO_COLLECT
    if collects:
        collect_drafts([locked.pk], as_of=now, again=True)
    else:
        issue_and_notify(ready_to_issue([locked.pk], as_of=now, again=True))
    locked.refresh_from_db()
    record(
        verb="retry_invoice",
        target=locked,
        did=f"retried the step at which {locked} had stopped ({was}); now: {locked.get_status_display()}",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return not collects
