"""Gives up on unpaid invoices: uncollectible, and written off."""

from django.db import transaction

from core.admin.words import money_text
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from core.locks import lock_customers
from core.money import ZERO
from invoicing.choices import IN_FLIGHT, SETTLEABLE_STATUSES, InvoiceStatus
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.states import move
from invoicing.models import Invoice, WriteOff


@transaction.atomic
def mark_uncollectible(*, invoice: Invoice, reason: str) -> Invoice:
    """Stop collecting and reminding; what is due stays due, and is booked should it come in (billing rules 11).

    WrongInvoiceState where nothing is due, a charge is under way, or it is uncollectible already; InvalidInput without
    a reason.
    """
    locked = _unpaid(invoice, reason)
    if locked.status == InvoiceStatus.UNCOLLECTIBLE:
        raise WrongInvoiceState(f"{locked} is uncollectible already. Nothing was changed.")
    return give_up(locked, reason)


def give_up(locked: Invoice, reason: str) -> Invoice:
    """Mark an invoice uncollectible, in the caller's transaction, which holds its row and the customer's lock."""
    if locked.status == InvoiceStatus.UNCOLLECTIBLE:
        return locked
    move(locked, InvoiceStatus.UNCOLLECTIBLE, note=reason)
    locked.next_collection_at = None
    locked.save(update_fields=["status", "status_note", "next_collection_at", "updated_at"])
    record(
        verb="mark_uncollectible",
        target=locked,
        did=f"marked {locked} of {locked.customer} uncollectible, with {money_text(locked.due, locked.currency)} due",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return locked


@transaction.atomic
def write_off(*, invoice: Invoice, reason: str) -> Invoice:
    """Write off what is due on the invoice: nothing is due any more, and the loss is on record (billing rules 11).

    WrongInvoiceState where nothing is due or a charge is under way; InvalidInput without a reason.
    """
    locked = _unpaid(invoice, reason)
    amount = locked.due
    WriteOff.objects.create(invoice=locked, amount=amount, currency=locked.currency, reason=reason)
    locked.written_off += amount
    locked.due = ZERO
    move(locked, InvoiceStatus.UNCOLLECTIBLE, note=reason)
    locked.next_collection_at = None
    locked.save(update_fields=["written_off", "due", "status", "status_note", "next_collection_at", "updated_at"])
    record(
        verb="write_off",
        target=locked,
        did=f"wrote off {money_text(amount, locked.currency)} of {locked} of {locked.customer}",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return locked


def _unpaid(invoice: Invoice, reason: str) -> Invoice:
    """The invoice, locked, if it can be given up."""
    if not reason.strip():
        wrong = "Say why."
        raise InvalidInput(f"{wrong} Nothing was changed.", problems=[FieldProblem("reason", "required", wrong)])
    lock_customers([invoice.customer_id])
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("customer").get(pk=invoice.pk)
    if locked.status not in SETTLEABLE_STATUSES or locked.due <= 0:
        raise WrongInvoiceState(f"Nothing is due on {locked}: {locked.get_status_display()}. Nothing was changed.")
    if locked.payments.filter(status__in=IN_FLIGHT).exists():
        raise WrongInvoiceState(f"A charge of {locked} is under way: wait for its outcome. Nothing was changed.")
    return locked
