"""Records money that a customer has paid by themselves: in full, in part, or more than is due."""

from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.admin.words import money_text
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput, field_error
from core.locks import lock_customers
from core.money import round_money, to_wire
from invoicing.choices import SETTLEABLE_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.errors import AlreadyRecorded, WrongInvoiceState
from invoicing.lifecycle.bounds import beyond_limit, limit_of
from invoicing.models import Invoice, Payment
from invoicing.payments.book_receipt import book_receipt
from invoicing.payments.receipts import LONGEST_REFERENCE


@transaction.atomic
def record_payment(
    *,
    invoice: Invoice,
    amount: Decimal,
    received_at: datetime,
    reference: str,
    transaction_id: str | None = None,
    settled_too: bool = False,
    same_id_too: bool = False,
    unless_alike: bool = False,
) -> Payment:
    """Book `amount`, in the invoice's currency, received at `received_at` (UTC), on `invoice` (billing rules 11).

    With the whole amount due the invoice is paid; with a part it stays open for the rest; what is too much goes to
    the customer's balance. `transaction_id` is the bank's own: the same one is booked once, unless `same_id_too` says
    that somebody has looked at what has it. InvalidInput for an amount that isn't above zero, has more places than the
    currency, or is beyond both what is due and the safety bound, for a time to come, or for a reference that is too
    long to keep; WrongInvoiceState where nothing is expected, unless `settled_too`: then all of it goes to the balance;
    AlreadyRecorded for a transaction that is booked and, with `unless_alike`, for a receipt of the same amount, day and
    reference as one that is recorded on the invoice. None changes anything.
    """
    lock_customers([invoice.customer_id])
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("app", "customer").get(pk=invoice.pk)
    if locked.issued_at is None or locked.app is None or not (settled_too or _expects_money(locked)):
        raise WrongInvoiceState(
            f"No payment is expected for {locked}: {locked.get_status_display()}. Nothing was recorded."
        )
    _check(locked, amount, received_at)
    if len(reference) > LONGEST_REFERENCE:
        raise field_error(
            "reference",
            "too_long",
            f"A reference has at most {LONGEST_REFERENCE} characters; this one has {len(reference)}, and would be cut. "
            "Nothing was recorded.",
        )
    if (
        transaction_id
        and not same_id_too
        and Payment.objects.filter(app=locked.app, external_id=transaction_id).exists()
    ):
        raise AlreadyRecorded(f"The bank's transaction {transaction_id} is recorded already. Nothing was recorded.")
    if unless_alike and reference:
        _refuse_alike(locked, amount, received_at, reference)
    payment = Payment(
        invoice=locked,
        app=locked.app,
        amount=amount,
        currency=locked.currency,
        status=PaymentStatus.SUCCEEDED,
        external_id=transaction_id or None,
        reference=reference,
        received_at=received_at,
    )
    rest = book_receipt(invoice=locked, payment=payment)
    to_balance = f"; {money_text(rest, locked.currency)} of it went to the balance" if rest else ""
    worth = money_text(amount, locked.currency)
    record(
        verb="record_payment",
        target=locked,
        did=f"recorded a payment of {worth} for {locked} of {locked.customer}, “{reference}”{to_balance}",
        changes={"reference": [None, reference]},
        customer_id=locked.customer_id,
    )
    invoice.refresh_from_db()
    return payment


def _expects_money(invoice: Invoice) -> bool:
    given_up = invoice.status == InvoiceStatus.UNCOLLECTIBLE and invoice.written_off > 0
    owed = invoice.status in SETTLEABLE_STATUSES and invoice.due > 0
    return owed or given_up


def _refuse_alike(invoice: Invoice, amount: Decimal, received_at: datetime, reference: str) -> None:
    receipts = Payment.objects.filter(invoice=invoice, attempt=None, amount=amount, reference=reference)
    if receipts.filter(received_at__date=received_at.astimezone(UTC).date()).exists():
        worth = money_text(amount, invoice.currency)
        raise AlreadyRecorded(
            f"A payment of {worth} on {received_at:%Y-%m-%d}, “{reference}”, is recorded for {invoice} already. "
            "Nothing was recorded: if this is another one, say so."
        )


def _check(invoice: Invoice, amount: Decimal, received_at: datetime) -> None:
    wrong = ""
    if amount <= 0:
        wrong = "A payment must be more than zero."
    elif amount > invoice.due and beyond_limit([amount], invoice.currency) is not None:
        limit = money_text(limit_of(invoice.currency), invoice.currency)
        wrong = f"A payment beyond the safety limit of {limit} is booked only where as much is due."
    elif amount != round_money(amount, invoice.currency):
        wrong = f"{invoice.currency} amounts have no more places than those of {to_wire(invoice.total)}."
    if wrong:
        raise InvalidInput(f"{wrong} Nothing was recorded.", problems=[FieldProblem("amount", "bad_amount", wrong)])
    if received_at > clock.now():
        wrong = "A payment can't be received in the future."
        raise InvalidInput(
            f"{wrong} Nothing was recorded.", problems=[FieldProblem("receivedAt", "in_the_future", wrong)]
        )
