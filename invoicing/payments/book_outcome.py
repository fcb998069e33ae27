"""Books what a payment provider says of a charge, whoever heard it first: the call, a webhook, a reconciliation."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from core import clock
from core.errors import PreconditionFailed
from core.locks import lock_customers
from core.outbox.services.enqueue import enqueue_emails
from customers.choices import AppStatus
from customers.models import BillingApp
from invoicing.choices import IN_FLIGHT, OPEN_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.models import Invoice, Payment
from invoicing.payments.book_receipt import book_receipt
from invoicing.payments.charge_moves import Move, Teller, move
from invoicing.payments.dunning import action_notice, failure_notice, next_try
from invoicing.payments.gateways import ChargeOutcome
from invoicing.payments.gateways.base import CANCELED, NOT_AUTHORIZED, NOT_SENT
from invoicing.payments.gateways.never import NEVER_CHARGED, cause_for_staff

_OURS = (NOT_SENT, NOT_AUTHORIZED)
_UNDER_WAY = (InvoiceStatus.PAYMENT_PENDING, InvoiceStatus.PAYMENT_ACTION_REQUIRED)
_AGAIN_AFTER = timedelta(minutes=1)
_CHECK_PROCESSING_EVERY = timedelta(hours=1)
_CHECK_ACTION_EVERY = timedelta(hours=6)
_LONGEST_WAIT = timedelta(hours=6)


@dataclass(slots=True)
class _Booking:
    payment: Payment
    invoice: Invoice
    outcome: ChargeOutcome
    as_of: datetime


class NotTheLatest(PreconditionFailed):
    """Nobody can tell from this news alone whether the charge is still in that state."""

    default_code = "ask_the_provider"


@transaction.atomic
def book_outcome(
    *,
    payment_id: uuid.UUID,
    outcome: ChargeOutcome,
    as_of: datetime,
    known_at: datetime | None = None,
    by: Teller = Teller.ANSWER,
) -> Payment:
    """Book `outcome` on the payment and its invoice, once; a state that is known already changes nothing.

    `as_of` is billing time; `known_at`, in real time, is when the provider was in that state (now, by default). Which
    states can follow each other is decided in `charge_moves`, so news may come twice and in any order. Where that can't
    tell, an event is refused with NotTheLatest, and after an answer the provider is asked within seconds.
    """
    known_at = known_at or clock.real_now()
    customer_id = Payment.objects.values_list("invoice__customer_id", flat=True).get(pk=payment_id)
    lock_customers([customer_id])
    # The invoice before its payments, as wherever both are locked.
    invoice = Invoice.objects.select_for_update(of=("self",)).get(payments=payment_id)
    payment = Payment.objects.select_for_update().get(pk=payment_id)
    wanted = move_of(payment, outcome, known_at, by)
    if wanted is Move.ASK and by is Teller.EVENT:
        raise NotTheLatest(
            f"Whether the charge of {invoice} is still so is not clear. Nothing was changed: ask for it."
        )
    if wanted is not Move.TAKE:
        _check_again(payment, outcome, wanted)
        return payment
    payment.external_id = outcome.external_id or payment.external_id
    payment.provider_state_at = max(known_at, payment.provider_state_at or known_at)
    if outcome.status != PaymentStatus.PENDING or payment.status == PaymentStatus.UNKNOWN:
        # A charge that is tried again keeps what it failed of: an old event of that is told from a new one by it.
        payment.failure_code, payment.failure_message = outcome.failure_code, outcome.failure_message
    payment.status = outcome.status
    payment.next_check_at = _next_check(payment)
    booking = _Booking(payment, invoice, outcome, as_of)
    if outcome.status == PaymentStatus.SUCCEEDED:
        payment.received_at = as_of
        payment.amount = outcome.received or payment.amount
        book_receipt(invoice=invoice, payment=payment)
        if invoice.due and invoice.status in _UNDER_WAY:
            _collect_rest(invoice, as_of)
        return payment
    payment.save()
    if outcome.failure_code == NOT_AUTHORIZED:
        BillingApp.objects.filter(pk=payment.app_id).update(status=AppStatus.UNAUTHORIZED)
    if invoice.status in OPEN_STATUSES:
        _follow(booking)
    return payment


def move_of(payment: Payment, outcome: ChargeOutcome, known_at: datetime, by: Teller) -> Move:
    """What is to become of the news about `payment`."""
    if payment.failure_code == CANCELED and payment.status == PaymentStatus.FAILED:
        # Ended at the provider for good.
        return Move.TAKE if outcome.status == PaymentStatus.SUCCEEDED else Move.IGNORE
    return move(
        known=payment.status,
        known_at=payment.provider_state_at,
        failed_before=payment.failure_code != "",
        told=outcome.status,
        told_at=known_at,
        by=by,
    )


def _check_again(payment: Payment, outcome: ChargeOutcome, wanted: Move) -> None:
    """Ask again soon where the order is not clear, later where the provider gave no answer; the state stays known."""
    if payment.status not in (*IN_FLIGHT, PaymentStatus.ACTION_REQUIRED):
        return
    if wanted is Move.ASK:
        payment.next_check_at = clock.real_now()
    elif outcome.status == PaymentStatus.UNKNOWN:
        payment.next_check_at = clock.real_now() + _pause(payment.checks + 1)
    payment.save(update_fields=["next_check_at", "updated_at"])


def _collect_rest(invoice: Invoice, as_of: datetime) -> None:
    """What came in is less than what is due: the rest is charged, but for what was given back past us."""
    invoice.status, invoice.status_note = InvoiceStatus.ISSUED, "A part has come in; the rest is due."
    invoice.next_collection_at = None if invoice.refunded else as_of
    invoice.save(update_fields=["status", "status_note", "next_collection_at", "updated_at"])


def _next_check(payment: Payment) -> datetime | None:
    """When the provider is to be asked (again), in real time; None once the state is final."""
    now = clock.real_now()
    if payment.status == PaymentStatus.UNKNOWN:
        return now + _pause(payment.checks + 1)
    if payment.status == PaymentStatus.PENDING:
        return now + _CHECK_PROCESSING_EVERY
    return now + _CHECK_ACTION_EVERY if payment.status == PaymentStatus.ACTION_REQUIRED else None


def _follow(booking: _Booking) -> None:
    """What the attempt's state means for an invoice that is still open: its status, next try and notice."""
    payment, invoice, outcome, as_of = booking.payment, booking.invoice, booking.outcome, booking.as_of
    status, note, again = InvoiceStatus.PAYMENT_PENDING, outcome.failure_message, None
    assert payment.attempt is not None
    if outcome.status == PaymentStatus.FAILED:
        status, again = InvoiceStatus.PAYMENT_FAILED, _after_failure(booking)
        if outcome.failure_code in NEVER_CHARGED:
            note = cause_for_staff(outcome.failure_code, outcome.failure_message)
        elif outcome.failure_code in _OURS or payment.to_cancel:
            status = InvoiceStatus.PAYMENT_FAILED if _first_failure(invoice) else InvoiceStatus.ISSUED
        else:
            enqueue_emails([failure_notice(invoice, message=outcome.failure_message, attempt=payment.attempt)])
    elif outcome.status == PaymentStatus.ACTION_REQUIRED:
        status = InvoiceStatus.PAYMENT_ACTION_REQUIRED
        again = next_try(invoice, first_failed_at=_first_failure(invoice) or payment.created_at, as_of=as_of)
        enqueue_emails([action_notice(invoice, attempt=payment.attempt, as_of=as_of)])
    if invoice.status != InvoiceStatus.OVERDUE:
        invoice.status = status
    invoice.status_note, invoice.next_collection_at = note, again
    invoice.save(update_fields=["status", "status_note", "next_collection_at", "updated_at"])


def _after_failure(booking: _Booking) -> datetime | None:
    payment, as_of = booking.payment, booking.as_of
    if payment.to_cancel:
        return as_of
    if booking.outcome.failure_code in NEVER_CHARGED:
        return None
    if booking.outcome.failure_code in _OURS:
        return as_of + _pause(_failures_of_ours(payment))
    first = _first_failure(booking.invoice) or payment.created_at
    return next_try(booking.invoice, first_failed_at=first, as_of=as_of)


def _failures_of_ours(payment: Payment) -> int:
    """How many of the invoice's latest attempts in a row failed through us."""
    attempts = Payment.objects.filter(invoice=payment.invoice_id, attempt__isnull=False)
    last = attempts.exclude(failure_code__in=_OURS).aggregate(last=Max("attempt"))["last"] or 0
    return attempts.filter(attempt__gt=last).count()


def _pause(times: int) -> timedelta:
    """A minute, twice as long each time, six hours at most."""
    return min(_AGAIN_AFTER * (1 << min(times - 1, 12)), _LONGEST_WAIT)


def _first_failure(invoice: Invoice) -> datetime | None:
    """When the customer's first charge failed; failures of ours, charges that could never succeed, and cancelled ones
    don't count."""
    failed = Payment.objects.filter(invoice=invoice, attempt__isnull=False, status=PaymentStatus.FAILED)
    theirs = failed.exclude(failure_code__in=[*_OURS, *NEVER_CHARGED]).exclude(failure_code=CANCELED, to_cancel=True)
    first: datetime | None = theirs.order_by("created_at").values_list("created_at", flat=True).first()
    return first
