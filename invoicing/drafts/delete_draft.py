"""Deletes a draft; its windows are billed again at the next close, or waived (billing rules 6)."""

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.services.record import record
from core.errors import InvalidInput
from core.locks import lock_customers
from invoicing.choices import DELETABLE_STATUSES, InvoiceStatus, WindowKind
from invoicing.corrections.charge_again import charge_again
from invoicing.corrections.credit_note_instead import give_back_otherwise
from invoicing.corrections.reopen_windows import reopen_windows, windows_of
from invoicing.corrections.retax_drafts import retax
from invoicing.drafts.collect_quantities import read_quantities
from invoicing.errors import WrongInvoiceState
from invoicing.late_usage.late_beside import refuse_late_beside
from invoicing.lifecycle.draft_steps import TO_COLLECT
from invoicing.lifecycle.states import move
from invoicing.models import Invoice, LineEdit


@transaction.atomic
def delete_draft(*, invoice: Invoice, rebill: bool, reason: str) -> Invoice:
    """Delete `invoice`, a draft. With `rebill` the next close bills its windows again; without, they are waived.

    The lines stay with the deleted draft, for the record. What it was to give back of earlier invoices comes by credit
    note instead. Quantities that are waived are those of now. InvalidInput without a reason, WrongInvoiceState unless
    it is a draft, or could not be issued, and for usage that can't be billed again.
    """
    if not reason.strip():
        raise InvalidInput("Say why the draft is deleted. Nothing was changed.", code="reason_required")
    lock_customers([invoice.customer_id])
    locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
    if locked.status not in DELETABLE_STATUSES:
        raise WrongInvoiceState(
            f"Only drafts can be deleted; {locked} is: {locked.get_status_display()}. Nothing was changed."
        )
    now = clock.now()
    if not rebill and locked.status in TO_COLLECT:
        # What is waived is what was used until now: what comes later is late, as it is on any other invoice.
        read_quantities([locked.pk], now)
        locked.quantity_snapshoted_at = now
        locked.save(update_fields=["quantity_snapshoted_at"])
    # What it was to give back was paid before: the customer gets it all the same.
    give_back_otherwise([locked.pk], now=now, everything=True)
    retax([locked.pk], now=now)
    locked.refresh_from_db()
    if rebill:
        refuse_late_beside(locked, ())
    edited = LineEdit.objects.filter(line__invoice=locked).count() if rebill else 0
    if rebill:
        charge_again(locked, now=now)
        reopen_windows(locked, now=now)
        locked.lines.update(deleted_at=now, updated_at=now)
    else:
        windows_of(locked).update(kind=WindowKind.WAIVER)
    move(locked, InvoiceStatus.DELETED)
    locked.deleted_at = now
    locked.save(update_fields=["status", "deleted_at", "updated_at"])
    record(
        verb="delete_draft",
        target=locked,
        did=f"deleted a draft of {locked.customer} over {locked.total} {locked.currency}; its periods are "
        + ("billed again at the next close" if rebill else "waived")
        + (f", without what was set by hand on {counted(edited, 'line')}" if edited else ""),
        reason=reason,
        customer_id=locked.customer_id,
    )
    invoice.refresh_from_db()
    return invoice
