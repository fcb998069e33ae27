"""Books what a payment provider says of a charge, whoever heard it first: the call, a webhook, a reconciliation."""

import uuid
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
from invoicing.gateways import ChargeOutcome
from invoicing.gateways.base import CANCELED, NOT_AUTHORIZED
from invoicing.lifecycle.states import move as move_invoice
from invoicing.models import Invoice, Payment
from invoicing.payments.after_charge import AfterCharge, Charge, Notice, after_charge, after_part, pause
from invoicing.payments.book_receipt import book_receipt
from invoicing.payments.charge_moves import Move, Teller, move
from invoicing.payments.dunning import FAILURES_OF_OURS, action_notice, failure_notice, first_failures, plan_of

_UNDER_WAY = (InvoiceStatus.PAYMENT_PENDING, InvoiceStatus.PAYMENT_ACTION_REQUIRED)
_CHECK_PROCESSING_EVERY = timedelta(hours=1)
_CHECK_ACTION_EVERY = timedelta(hours=6)


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
    if outcome.status == PaymentStatus.SUCCEEDED:
        payment.received_at = as_of
        payment.amount = outcome.received or payment.amount
        book_receipt(invoice=invoice, payment=payment)
        if invoice.due and invoice.status in _UNDER_WAY:
            _leave(invoice, after_part(given_back=invoice.refunded > 0, as_of=as_of))
        return payment
    payment.save()
    if outcome.failure_code == NOT_AUTHORIZED:
        BillingApp.objects.filter(pk=payment.app_id).update(status=AppStatus.UNAUTHORIZED)
    if invoice.status in OPEN_STATUSES:
        _follow(payment, invoice, outcome, as_of)
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
        payment.next_check_at = clock.real_now() + pause(payment.checks + 1)
    payment.save(update_fields=["next_check_at", "updated_at"])


def _next_check(payment: Payment) -> datetime | None:
    """When the provider is to be asked (again), in real time; None once the state is final."""
    now = clock.real_now()
    if payment.status == PaymentStatus.UNKNOWN:
        return now + pause(payment.checks + 1)
    if payment.status == PaymentStatus.PENDING:
        return now + _CHECK_PROCESSING_EVERY
    return now + _CHECK_ACTION_EVERY if payment.status == PaymentStatus.ACTION_REQUIRED else None


def _follow(payment: Payment, invoice: Invoice, outcome: ChargeOutcome, as_of: datetime) -> None:
    """What the attempt's state means for an invoice that is still open."""
    assert payment.attempt is not None
    charge = Charge(
        made_at=payment.created_at,
        invoice_status=invoice.status,
        first_failed_at=first_failures([invoice.pk]).get(invoice.pk),
        days=plan_of(invoice),
        to_cancel=payment.to_cancel,
        ours_in_a_row=_failures_of_ours(payment) if outcome.failure_code in FAILURES_OF_OURS else 0,
    )
    after = after_charge(charge, outcome, as_of=as_of)
    _leave(invoice, after)
    if after.notice is Notice.FAILURE:
        enqueue_emails([failure_notice(invoice, message=outcome.failure_message, attempt=payment.attempt)])
    elif after.notice is Notice.CONFIRM:
        enqueue_emails([action_notice(invoice, attempt=payment.attempt, as_of=as_of)])


def _leave(invoice: Invoice, after: AfterCharge) -> None:
    move_invoice(invoice, after.status, note=after.note)
    invoice.next_collection_at = after.next_try
    invoice.save(update_fields=["status", "status_note", "next_collection_at", "updated_at"])


def _failures_of_ours(payment: Payment) -> int:
    """How many of the invoice's latest attempts in a row failed through us."""
    attempts = Payment.objects.filter(invoice=payment.invoice_id, attempt__isnull=False)
    last = attempts.exclude(failure_code__in=FAILURES_OF_OURS).aggregate(last=Max("attempt"))["last"] or 0
    return attempts.filter(attempt__gt=last).count()
