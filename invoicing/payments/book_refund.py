"""Books what a provider says of refunds: of ours, and of those that somebody made at the provider."""

import uuid
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from core import clock
from core.admin.words import money_text
from core.audit.services.record import record
from core.locks import lock_customers
from core.money import ZERO
from customers.models import BillingApp
from invoicing.choices import BalanceKind, InvoiceStatus, PaymentStatus, RefundStatus
from invoicing.gateways import ChargeOutcome
from invoicing.gateways.base import RefundNews, RefundOutcome
from invoicing.lifecycle.states import move
from invoicing.models import BalanceEntry, Invoice, Payment, Refund
from invoicing.payments.book_outcome import book_outcome
from invoicing.payments.book_receipt import settle


def book_refund_news(*, app: BillingApp, news: RefundNews, as_of: datetime) -> Refund | None:
    """Book what `app` tells of a refund, once, in whatever order it is told; None where the charge is not ours.

    Of a refund that was made at the provider, what the invoice had moved to the customer's balance, and what is still
    there, is taken first; the rest is due again. It is not collected again until somebody says so: whoever gave the
    money back meant it (see the decision page). A dispute takes money back in the same way, and fails where it is won.
    """
    payment = Payment.objects.filter(app=app, external_id=news.charge_id, attempt__isnull=False).first()
    if payment is None:
        return None
    if payment.status != PaymentStatus.SUCCEEDED and news.outcome.status != RefundStatus.FAILED:
        # What was given back had come in: the refund overtook the news of the charge.
        book_outcome(payment_id=payment.pk, outcome=ChargeOutcome(PaymentStatus.SUCCEEDED, news.charge_id), as_of=as_of)
    with transaction.atomic():
        refund = _known(payment, news)
        if refund is None:
            return _book_foreign(payment.pk, news, as_of)
        return book_refund(refund_id=refund.pk, outcome=news.outcome, as_of=as_of)


@transaction.atomic
def book_refund(*, refund_id: uuid.UUID, outcome: RefundOutcome, as_of: datetime) -> Refund:
    """Book what became of a refund, once. One that failed stays so; one that succeeded may fail later, where the
    customer's bank returns the money: it is then on the balance again, or no longer due."""
    customer_id = Refund.objects.values_list("invoice__customer_id", flat=True).get(pk=refund_id)
    lock_customers([customer_id])
    refund = Refund.objects.select_for_update().get(pk=refund_id)
    returned = refund.status == RefundStatus.SUCCEEDED and outcome.status == RefundStatus.FAILED
    if refund.status in (RefundStatus.SUCCEEDED, RefundStatus.FAILED) and not returned:
        return refund
    refund.status, refund.external_id = outcome.status, outcome.external_id or refund.external_id
    refund.failure_code, refund.failure_message = outcome.failure_code, outcome.failure_message
    if outcome.status == RefundStatus.SUCCEEDED:
        refund.refunded_at, refund.next_check_at = as_of, None
    elif outcome.status == RefundStatus.FAILED:
        refund.next_check_at = None
        _take_back(refund)
    refund.save()
    return refund


def take_from_balance(invoice: Invoice, refund: Refund, amount: Decimal, reason: str) -> None:
    """Take `amount` from the balance for the refund; negative: put it back. In the caller's transaction, which holds
    the customer's lock and the invoice's row."""
    BalanceEntry.objects.create(
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        kind=BalanceKind.REFUND,
        amount=-amount,
        invoice=invoice,
        payment=refund.payment,
        refund=refund,
        reason=reason,
    )
    invoice.refunded += amount
    invoice.moved_to_balance -= amount
    invoice.save(update_fields=["refunded", "moved_to_balance", "updated_at"])


def _known(payment: Payment, news: RefundNews) -> Refund | None:
    """The refund that `news` is about, by the provider's id, or by ours where we have not heard of its id yet."""
    lock_customers([Invoice.objects.values_list("customer_id", flat=True).get(pk=payment.invoice_id)])
    refunds = Refund.objects.filter(payment=payment)
    named = refunds.filter(external_id=news.outcome.external_id).first()
    if named is not None or news.ours is None:
        return named
    return refunds.filter(pk=news.ours, external_id=None).first()


def _book_foreign(payment_id: uuid.UUID, news: RefundNews, as_of: datetime) -> Refund:
    payment = Payment.objects.select_for_update(of=("self",)).select_related("app").get(pk=payment_id)
    invoice = Invoice.objects.select_for_update(of=("self",)).select_related("customer").get(pk=payment.invoice_id)
    failed = news.outcome.status == RefundStatus.FAILED
    entries = BalanceEntry.objects.filter(customer=invoice.customer_id, currency=invoice.currency)
    on_balance = max(min(entries.aggregate(left=Sum("amount"))["left"] or ZERO, invoice.moved_to_balance), ZERO)
    from_balance = ZERO if failed else min(news.amount, on_balance)
    refund = Refund.objects.create(
        payment=payment,
        invoice=invoice,
        amount=news.amount,
        from_balance=from_balance,
        currency=invoice.currency,
        status=news.outcome.status,
        reason=f"{'Disputed' if news.disputed else 'Given back'} at {payment.app}",
        external_id=news.outcome.external_id,
        failure_code=news.outcome.failure_code,
        failure_message=news.outcome.failure_message,
        refunded_at=as_of if news.outcome.status == RefundStatus.SUCCEEDED else None,
        next_check_at=clock.real_now() if news.outcome.status == RefundStatus.PENDING else None,
    )
    if failed:
        return refund
    if from_balance:
        take_from_balance(invoice, refund, from_balance, refund.reason)
    again = news.amount - from_balance
    # Nothing is ever due on a voided invoice: what a customer was given back for it, they were given.
    rest = ""
    if again and invoice.status != InvoiceStatus.VOIDED:
        how = "was disputed by the customer" if news.disputed else "was given back"
        _owe_again(invoice, again, f"{how} at {payment.app}", as_of)
        rest = f"; {money_text(again, invoice.currency)} is due again"
    taken = f"taken back by the bank of {invoice.customer}" if news.disputed else f"given back to {invoice.customer}"
    record(
        verb="refund",
        target=invoice,
        did=f"learnt that {money_text(news.amount, invoice.currency)} of {invoice} was {taken} at {payment.app}{rest}",
        customer_id=invoice.customer_id,
    )
    return refund


def _owe_again(invoice: Invoice, amount: Decimal, how: str, as_of: datetime) -> None:
    invoice.refunded += amount
    invoice.due += amount
    if invoice.status == InvoiceStatus.PAID:
        late = invoice.due_at is not None and invoice.due_at <= as_of
        move(invoice, InvoiceStatus.OVERDUE if late else InvoiceStatus.ISSUED)
    invoice.next_collection_at = None
    invoice.status_note = (
        f"{money_text(amount, invoice.currency)} {how}: {money_text(invoice.due, invoice.currency)} is "
        "due again. It is not charged by itself: charge it again, record what comes in, or write it off."
    )
    invoice.save(update_fields=["refunded", "due", "status", "status_note", "next_collection_at", "updated_at"])


def _take_back(refund: Refund) -> None:
    """The money of a refund that failed is with us after all."""
    invoice = Invoice.objects.select_for_update(of=("self",)).get(pk=refund.invoice_id)
    if refund.from_balance:
        said = f"The refund failed: {refund.failure_message}"
        take_from_balance(invoice, refund, -refund.from_balance, said)
    rest = refund.amount - refund.from_balance
    if rest and invoice.status != InvoiceStatus.VOIDED:
        payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
        invoice.refunded -= rest
        settle(invoice=invoice, payment=payment, amount=rest)
