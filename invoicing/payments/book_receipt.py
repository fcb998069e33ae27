"""Books money that has arrived: on what is due, on what was written off, and the rest to the customer's balance."""

from decimal import Decimal

from core.money import ZERO
from invoicing.choices import SETTLEABLE_STATUSES, BalanceKind, InvoiceStatus
from invoicing.lifecycle.states import move
from invoicing.models import BalanceEntry, Invoice, Payment, WriteOff

_COLUMNS = (
    "paid",
    "refunded",
    "due",
    "moved_to_balance",
    "written_off",
    "status",
    "status_note",
    "next_collection_at",
    "updated_at",
)


def book_receipt(*, invoice: Invoice, payment: Payment) -> Decimal:
    """Book the succeeded `payment` on `invoice`; returns what was too much and went to the balance (billing rules 11).

    In the caller's transaction, which holds the customer's lock and the invoice's row. What was written off and comes
    in after all is written off no more. On a voided invoice nothing is ever paid: the whole goes to the balance. Sets
    `payment.to_balance` and saves both.
    """
    if invoice.status != InvoiceStatus.VOIDED:
        invoice.paid += payment.amount
    return settle(invoice=invoice, payment=payment, amount=payment.amount)


def settle(*, invoice: Invoice, payment: Payment, amount: Decimal) -> Decimal:
    """Use `amount`, which `payment` brought in, for what is due, then for what was written off; returns what is left.

    The rest goes to the balance. As `book_receipt`: the caller has said how it comes that this is with us, by `paid` or
    `refunded`, which are saved here.
    """
    left = amount
    if invoice.status != InvoiceStatus.VOIDED:
        on_due = min(left, invoice.due)
        invoice.due -= on_due
        recovered = min(left - on_due, invoice.written_off)
        invoice.written_off -= recovered
        left -= on_due + recovered
        invoice.moved_to_balance += left
        if recovered:
            WriteOff.objects.create(
                invoice=invoice,
                payment=payment,
                amount=-recovered,
                currency=invoice.currency,
                reason="The customer paid after all.",
            )
    payment.to_balance += left
    payment.save()
    if left:
        BalanceEntry.objects.create(
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            kind=BalanceKind.OVERPAYMENT,
            amount=left,
            invoice=invoice,
            payment=payment,
            reason=f"More was paid than was due on {invoice}",
        )
    if invoice.due == ZERO and invoice.written_off == ZERO and invoice.status in SETTLEABLE_STATUSES:
        move(invoice, InvoiceStatus.PAID, note="")
        invoice.next_collection_at = None
    invoice.save(update_fields=_COLUMNS)
    return left
