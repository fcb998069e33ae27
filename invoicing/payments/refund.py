"""Gives money back: out of what an invoice moved to the balance, to the method that it was paid by."""

import logging
import math
import time
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction

from core import clock
from core.admin.words import money_text
from core.audit.services.record import record
from core.batches import is_away
from core.errors import BillingError, FieldProblem, InvalidInput, PreconditionFailed
from core.ids import to_text
from core.locks import lock_customers
from core.money import round_money
from invoicing.choices import RefundStatus
from invoicing.gateways import REMOTE_GATEWAYS
from invoicing.gateways.base import RefundOutcome, RefundRequest
from invoicing.models import Invoice, Payment, Refund
from invoicing.payments.book_refund import book_refund, take_from_balance
from invoicing.payments.refundable import on_balance, payments_to_refund

logger = logging.getLogger(__name__)

_LEASE = timedelta(minutes=3)


@transaction.atomic
def refund_invoice(*, invoice: Invoice, amount: Decimal, reason: str) -> Refund:
    """Give `amount`, which `invoice` moved to the customer's balance, back to the method it was paid by.

    The balance is lowered at once. A worker then asks the provider, within seconds; where the provider refuses, the
    money is on the balance again. What was received by bank transfer counts as given back when it is recorded here.
    InvalidInput for an amount that isn't above zero or too fine; PreconditionFailed for more than the invoice moved,
    than the balance still has, or than one payment brought in. None changes anything.
    """
    lock_customers([invoice.customer_id])
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("customer").get(pk=invoice.pk)
    payment = _source(locked, amount)
    refund = _give_back(locked, payment, amount, reason)
    worth = money_text(amount, locked.currency)
    asked = f"asked {payment.app} to refund" if refund.status == RefundStatus.PENDING else "recorded a refund of"
    record(
        verb="refund",
        target=locked,
        did=f"{asked} {worth} of {locked} to {locked.customer}",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return refund


def refund_over_payments(invoice: Invoice, amount: Decimal, *, reason: str) -> list[Refund]:
    """Give `amount`, which `invoice` has just moved to the customer's balance, back by as many of its payments as it
    takes, the newest first. What no payment brought in stays on the balance.

    In the caller's transaction, which holds the customer's lock and the invoice's row, and tells the audit trail.
    """
    refunds: list[Refund] = []
    for payment in payments_to_refund(invoice).filter(left__gt=0) if amount > 0 else ():
        here = min(amount, payment.left)
        refunds.append(_give_back(invoice, payment, here, reason))
        amount -= here
        if not amount:
            break
    return refunds


def _give_back(invoice: Invoice, payment: Payment, amount: Decimal, reason: str) -> Refund:
    remote = payment.attempt is not None and payment.app.type in REMOTE_GATEWAYS
    refund = Refund.objects.create(
        payment=payment,
        invoice=invoice,
        amount=amount,
        from_balance=amount,
        currency=invoice.currency,
        status=RefundStatus.PENDING if remote else RefundStatus.SUCCEEDED,
        reason=reason,
        refunded_at=None if remote else clock.now(),
        next_check_at=clock.real_now() if remote else None,
    )
    take_from_balance(invoice, refund, amount, reason)
    return refund


def send_refunds(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Ask the providers for the refunds that are due, each at most once there; returns how many were asked for. After
    `seconds` it ends with the one that is under way, and leaves the rest.

    Call it outside of a transaction; inside one it does nothing.
    """
    if connection.in_atomic_block:
        return 0
    ends_at = time.monotonic() + seconds
    sent = 0
    while (refund := _take()) is not None:
        request = RefundRequest(
            refund.pk,
            str(refund.payment.external_id),
            refund.amount,
            refund.currency,
            to_text(refund.pk),
            known_as=refund.external_id,
        )
        _book(refund, _ask(refund, request), as_of)
        sent += 1
        if time.monotonic() > ends_at:
            break
    return sent


def _ask(refund: Refund, request: RefundRequest) -> RefundOutcome:
    """An answer that can't be read leaves the outcome unknown: it is asked for again."""
    try:
        with closing(REMOTE_GATEWAYS[refund.payment.app.type].connect(refund.payment.app)) as link:
            return link.refund(request)
    except BillingError as error:
        return RefundOutcome(RefundStatus.UNKNOWN, None, error.code, error.message)
    except Exception as error:  # what became of the refund is unknown then, whatever the reason
        logger.exception("%s could not be asked about refund %s", refund.payment.app, to_text(refund.pk))
        said = f"The answer could not be read ({type(error).__name__}): see the log."
        return RefundOutcome(RefundStatus.UNKNOWN, None, "no_answer", said)


def _book(refund: Refund, outcome: RefundOutcome, as_of: datetime) -> None:
    """One outcome that can't be booked stops no other: the refund is asked about again."""
    try:
        book_refund(refund_id=refund.pk, outcome=outcome, as_of=as_of)
    except Exception as error:  # one answer that can't be booked must not hold up the others
        if is_away(error):
            raise
        logger.exception("the outcome of refund %s could not be booked", to_text(refund.pk))


def _source(invoice: Invoice, amount: Decimal) -> Payment:
    """The newest payment that the refund can go back by."""
    if amount <= 0 or amount != round_money(amount, invoice.currency):
        wrong = f"A refund must be more than zero, in whole units of {invoice.currency}."
        raise InvalidInput(f"{wrong} Nothing was changed.", problems=[FieldProblem("amount", "bad_amount", wrong)])
    left = on_balance(invoice)
    if amount > left:
        raise PreconditionFailed(
            f"Only {money_text(left, invoice.currency)} of {invoice} is on the customer's balance and can be "
            "refunded. Nothing was changed.",
            code="not_refundable",
        )
    payment: Payment | None = payments_to_refund(invoice).filter(left__gte=amount).first()
    if payment is not None:
        return payment
    raise PreconditionFailed(
        f"No payment of {invoice} has {money_text(amount, invoice.currency)} left to refund: refund less at a time. "
        "Nothing was changed.",
        code="not_refundable",
    )


@transaction.atomic
def _take() -> Refund | None:
    now = clock.real_now()
    due = Refund.objects.select_for_update(of=("self",), skip_locked=True).select_related("payment__app")
    refund = due.filter(next_check_at__lte=now).order_by("next_check_at", "id").first()
    if refund is not None:
        refund.checks += 1
        refund.sent_at = refund.sent_at or now
        refund.next_check_at = now + _LEASE * min(refund.checks, 100)
        refund.save()
    return refund
