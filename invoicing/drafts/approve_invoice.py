"""Approves drafts: issues them at once."""

from decimal import Decimal

from django.db import transaction

from core import clock
from core.admin.words import joined, money_text
from core.approvals.errors import SecondPersonNeeded
from core.audit.actors import current_actor
from core.audit.services.record import record
from core.errors import PreconditionFailed
from core.locks import lock_customers
from invoicing.drafts.advance_invoice import issue_and_notify
from invoicing.drafts.anomalies import LABELS, Kind
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.draft_steps import TO_APPROVE
from invoicing.models import Invoice
from invoicing.payments.collect import collect_invoices

OWN_DRAFT = "You started the run that made this draft: somebody else must approve it."


def made_by_current_actor(draft: Invoice) -> bool:
    """Whether who acts started the run that made the draft; by an API key, the user who made the key did."""
    run = draft.run
    return run is not None and run.author != "" and run.author == current_actor().person


def approve_invoice(*, invoice: Invoice, shown: Decimal | None = None) -> Invoice:
    """Issue a draft that waits for approval, by staff or by time, at once.

    Raises `WrongInvoiceState` for any other invoice, `SecondPersonNeeded` for whoever started the run that made it,
    PreconditionFailed where its total is not the one that was `shown` any more.
    """
    with transaction.atomic():
        lock_customers([invoice.customer_id])
        locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
        if locked.status not in TO_APPROVE:
            raise WrongInvoiceState(
                f"Only a draft that waits for approval can be approved; this one is: {locked.get_status_display()}. "
                "Nothing was changed."
            )
        if made_by_current_actor(locked):
            raise SecondPersonNeeded(f"{OWN_DRAFT} Nothing was changed.")
        if shown is not None and shown != locked.total:
            raise PreconditionFailed(
                f"The draft comes to {money_text(locked.total, locked.currency)} now, not to "
                f"{money_text(shown, locked.currency)}. Nothing was changed. Look at it again, then approve it.",
                code="changed_meanwhile",
            )
        unusual = joined(LABELS[Kind(stored["kind"])].lower() for stored in locked.anomalies or ())
        issue_and_notify([locked.pk])
        locked.refresh_from_db()
        record(
            verb="approve_invoice",
            target=locked,
            did=f"approved {locked} of {locked.customer} over {money_text(locked.total, locked.currency)}"
            + (f", marked as unusual: {unusual}" if unusual else ""),
            customer_id=locked.customer_id,
        )
    collect_invoices([invoice.pk], as_of=clock.now())
    invoice.refresh_from_db()
    return invoice
