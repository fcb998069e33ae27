"""Records money that a customer has paid by themselves, in full or in part."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from core.money import ZERO, round_money, to_wire
from invoicing.choices import OPEN_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.errors import WrongInvoiceState
from invoicing.models import Invoice, Payment


@transaction.atomic
def record_payment(*, invoice: Invoice, amount: Decimal, received_at: datetime, reference: str) -> Payment:
    """Book `amount`, in the invoice's currency, received at `received_at` (UTC), on `invoice` (billing rules 11).

    With the whole amount due the invoice is paid; with a part it stays open for the rest. InvalidInput for an amount
    that isn't above zero, has more places than the currency, or exceeds what is due, or for a time to come;
    WrongInvoiceState where nothing is expected. Neither changes anything.
    """
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("app", "customer").get(pk=invoice.pk)
    if locked.status not in OPEN_STATUSES or locked.due <= 0 or locked.app is None:
        raise WrongInvoiceState(
            f"No payment is expected for {locked}: {locked.get_status_display()}. Nothing was recorded."
        )
    _check(locked, amount, received_at)
    now = clock.now()
    payment = Payment.objects.create(
        invoice=locked,
        app=locked.app,
        amount=amount,
        currency=locked.currency,
        status=PaymentStatus.SUCCEEDED,
        reference=reference,
        received_at=received_at,
    )
    locked.paid += amount
    locked.due -= amount
    if locked.due == ZERO:
        locked.status, locked.status_note, locked.next_collection_at = InvoiceStatus.PAID, "", None
    locked.updated_at = now
    locked.save(update_fields=["paid", "due", "status", "status_note", "next_collection_at", "updated_at"])
    record(
        verb="record_payment",
        target=locked,
        did=f"recorded a payment of {to_wire(amount)} {locked.currency} for {locked} of {locked.customer}",
        changes={"reference": [None, reference]},
        customer_id=locked.customer_id,
    )
    invoice.refresh_from_db()
    return payment


def _check(invoice: Invoice, amount: Decimal, received_at: datetime) -> None:
    wrong = ""
    if amount <= 0:
        wrong = "A payment must be more than zero."
    elif amount != round_money(amount, invoice.currency):
        wrong = f"{invoice.currency} amounts have no more places than those of {to_wire(invoice.due)}."
    elif amount > invoice.due:
        wrong = f"Only {to_wire(invoice.due)} {invoice.currency} is due on {invoice}."
    if wrong:
        raise InvalidInput(f"{wrong} Nothing was recorded.", problems=[FieldProblem("amount", "bad_amount", wrong)])
    if received_at > clock.now():
        wrong = "A payment can't be received in the future."
        raise InvalidInput(
            f"{wrong} Nothing was recorded.", problems=[FieldProblem("receivedAt", "in_the_future", wrong)]
        )
