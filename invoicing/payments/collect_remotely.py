"""Charges invoices over the network, in two phases, so that no call is ever made inside a transaction.

First a pending payment is written; then the provider is called; then the outcome is booked. Whoever dies in between
leaves the pending payment, about which the provider is asked (`reconcile_payments`). See the decision page.
"""

import logging
import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef

from core import clock
from core.batches import is_away
from core.errors import BillingError
from core.ids import to_text
from core.outbox.services.enqueue import enqueue_emails
from customers.choices import AppStatus
from customers.models import BillingApp, CustomerAppData
from invoicing.choices import IN_FLIGHT, OPEN_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.gateways import REMOTE_GATEWAYS, ChargeOutcome, ChargeRequest
from invoicing.gateways.base import NOT_SENT, Connection
from invoicing.lifecycle.states import move
from invoicing.models import Invoice, Payment
from invoicing.payments.book_outcome import book_outcome
from invoicing.payments.collect_changed_due import collect_changed_due
from invoicing.payments.dunning import action_notice, first_failures, next_try, plan_of

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
CALLS_AT_ONCE = 8
_FIRST_CHECK = timedelta(minutes=3)  # longer than a call with its retries can take
# A charge leaves so soon after its row was written, or not at all.
SENT_WITHIN = timedelta(minutes=5)
_HOLD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Started:
    """A charge to be sent, or to be asked about."""

    payment_id: uuid.UUID
    app: BillingApp
    request: ChargeRequest
    external_id: str | None = None


def collect_remotely(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Charge every invoice of a remote app whose next try is due by `as_of`; returns how many were tried. After
    `seconds` it ends with the batch that is under way, and leaves the rest.

    Call it outside of a transaction; inside one it does nothing.
    """
    if connection.in_atomic_block:
        return 0
    ends_at = time.monotonic() + seconds
    collect_changed_due(as_of=as_of)
    tried = 0
    while started := start_charges(as_of=as_of):
        book_each(started, call(started, _send), as_of=as_of)
        tried += len(started)
        if time.monotonic() > ends_at:
            break
    return tried


@transaction.atomic
def start_charges(*, as_of: datetime) -> list[Started]:
    """Write a pending payment for some invoices whose next try is due, and return what is to be sent for them."""
    in_flight = Payment.objects.filter(invoice=OuterRef("pk"), status__in=IN_FLIGHT)
    while True:
        invoices = list(
            Invoice.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("app", "supplier")
            .filter(
                ~Exists(in_flight),
                next_collection_at__lte=as_of,
                status__in=OPEN_STATUSES,
                due__gt=0,
                app__type__in=REMOTE_GATEWAYS,
                app__status=AppStatus.READY,
            )
            .order_by("next_collection_at", "id")[:BATCH_SIZE]
        )
        if not invoices:
            return []
        ready = _without_confirmation(_connected(invoices, as_of), as_of)
        if ready:
            return _pending(ready, as_of)


def _send(link: Connection, charge: Started) -> ChargeOutcome:
    sent_at = charge.request.sent_at
    if sent_at is None or clock.real_now() - sent_at > SENT_WITHIN:
        # This worker was held up: the charge may be given up, and made anew, before it could arrive.
        return ChargeOutcome(PaymentStatus.FAILED, None, NOT_SENT, "The charge was not sent in time.")
    return link.charge(charge.request)


def book_each(started: Sequence[Started], outcomes: Sequence[ChargeOutcome], *, as_of: datetime) -> None:
    """Book every outcome. One that can't be booked stops no other: the reconciliation asks about its charge again."""
    for charge, outcome in zip(started, outcomes, strict=True):
        try:
            book_outcome(payment_id=charge.payment_id, outcome=outcome, as_of=as_of)
        except Exception as error:  # one answer that can't be booked must not hold up the others
            if is_away(error):
                raise
            logger.exception("the outcome of charge %s could not be booked", to_text(charge.payment_id))


def call(started: Sequence[Started], ask: Callable[[Connection, Started], ChargeOutcome]) -> list[ChargeOutcome]:
    """Ask the providers, several at once; the database is not used meanwhile. An app that can't be reached as it is set
    up keeps the others from nothing, nor does an answer that can't be read: these outcomes stay unknown."""
    with ExitStack() as stack:
        links: dict[uuid.UUID, Connection] = {}
        unreachable: dict[uuid.UUID, ChargeOutcome] = {}
        for app in {charge.app.pk: charge.app for charge in started}.values():
            try:
                links[app.pk] = stack.enter_context(closing(REMOTE_GATEWAYS[app.type].connect(app)))
            except BillingError as error:
                unreachable[app.pk] = ChargeOutcome(PaymentStatus.UNKNOWN, None, error.code[:64], error.message)
        pool = stack.enter_context(ThreadPoolExecutor(CALLS_AT_ONCE))

        def ask_one(charge: Started) -> ChargeOutcome:
            try:
                return unreachable.get(charge.app.pk) or ask(links[charge.app.pk], charge)
            except Exception as error:  # what became of the charge is unknown then, whatever the reason
                logger.exception("%s could not be asked about charge %s", charge.app, to_text(charge.payment_id))
                said = f"The answer could not be read ({type(error).__name__}): see the log."
                return ChargeOutcome(PaymentStatus.UNKNOWN, charge.external_id, "no_answer", said)

        return list(pool.map(ask_one, started))


def request_of(payment: Payment, invoice: Invoice, known: CustomerAppData | None) -> ChargeRequest:
    """The charge that `payment` stands for; the same each time it is asked for."""
    return ChargeRequest(
        invoice_id=invoice.pk,
        customer_id=invoice.customer_id,
        app_id=payment.app_id,
        amount=payment.amount,
        currency=payment.currency,
        idempotency_key=f"{to_text(invoice.pk)}-{payment.attempt}",
        # Looked for where it was sent, though the customer may be another one at the app since.
        external_customer_id=payment.customer_at_app or (known.external_id if known else None),
        customer_data=known.data if known else {},
        payment_id=payment.pk,
        sent_at=payment.sent_at,
        metadata={
            "payment_id": to_text(payment.pk),
            "invoice_id": to_text(invoice.pk),
            "invoice_number": str(invoice.number),
            "app_id": to_text(payment.app_id),
            "customer_id": to_text(invoice.customer_id),
            "attempt": str(payment.attempt),
        },
    )


def data_at_apps(invoices: Iterable[Invoice]) -> dict[tuple[uuid.UUID, uuid.UUID], CustomerAppData]:
    """What the apps of these invoices know of their customers, by customer and app."""
    rows = CustomerAppData.objects.filter(customer_id__in={invoice.customer_id for invoice in invoices})
    return {(row.customer_id, row.app_id): row for row in rows}


def _connected(invoices: Sequence[Invoice], as_of: datetime) -> list[Invoice]:
    """Those whose app can be reached as it is set up; the others wait an hour, with the cause noted on them."""
    causes: dict[uuid.UUID, str] = {}
    for app in {invoice.app.pk: invoice.app for invoice in invoices if invoice.app is not None}.values():
        try:
            REMOTE_GATEWAYS[app.type].connect(app).close()
            causes[app.pk] = ""
        except BillingError as error:
            causes[app.pk] = error.message
    held = [invoice for invoice in invoices if invoice.app is not None and causes[invoice.app.pk]]
    for invoice in held:
        assert invoice.app is not None
        invoice.status_note, invoice.next_collection_at = causes[invoice.app.pk], as_of + _HOLD
        invoice.save(update_fields=["status_note", "next_collection_at", "updated_at"])
    return [invoice for invoice in invoices if invoice not in held]


def _without_confirmation(invoices: Sequence[Invoice], as_of: datetime) -> list[Invoice]:
    """Those without a charge that the customer can still confirm. The others' customers are reminded of theirs."""
    open_ones = Payment.objects.filter(invoice__in=invoices, status=PaymentStatus.ACTION_REQUIRED).order_by("attempt")
    waiting = {payment.invoice_id: payment for payment in open_ones}
    failed = first_failures(waiting) if waiting else {}
    for invoice in invoices:
        payment = waiting.get(invoice.pk)
        if payment is None:
            continue
        assert payment.attempt is not None
        first = failed.get(invoice.pk, payment.created_at)
        invoice.next_collection_at = next_try(plan_of(invoice), first_failed_at=first, as_of=as_of)
        invoice.save(update_fields=["next_collection_at", "updated_at"])
        Payment.objects.filter(pk=payment.pk).update(next_check_at=clock.real_now())
        enqueue_emails([action_notice(invoice, attempt=payment.attempt, as_of=as_of)])
    return [invoice for invoice in invoices if invoice.pk not in waiting]


def _pending(invoices: Sequence[Invoice], as_of: datetime) -> list[Started]:
    attempts = dict(
        Payment.objects.filter(invoice__in=invoices, attempt__isnull=False)
        .order_by()
        .values_list("invoice_id")
        .annotate(last=Max("attempt"))
    )
    known = data_at_apps(invoices)
    now = clock.real_now()
    started = []
    for invoice in invoices:
        assert invoice.app is not None
        payment = Payment(
            created_at=as_of,
            invoice=invoice,
            app=invoice.app,
            amount=invoice.due,
            currency=invoice.currency,
            status=PaymentStatus.PENDING,
            attempt=attempts.get(invoice.pk, 0) + 1,
            sent_at=now,
            next_check_at=now + _FIRST_CHECK,
        )
        data = known.get((invoice.customer_id, invoice.app.pk))
        payment.customer_at_app = (data.external_id if data else None) or ""
        started.append(Started(payment.pk, invoice.app, request_of(payment, invoice, data)))
        payment.save(force_insert=True)
        overdue = invoice.status == InvoiceStatus.OVERDUE
        move(invoice, invoice.status if overdue else InvoiceStatus.PAYMENT_PENDING, note="A charge is under way.")
        invoice.next_collection_at = None
        invoice.save(update_fields=["status", "status_note", "next_collection_at", "updated_at"])
    return started
