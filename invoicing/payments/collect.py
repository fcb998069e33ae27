"""Collects issued invoices automatically, and plans the next try where a charge fails (billing rules 11).

What charges at once, inside a transaction, is done here; charges over the network are in `collect_remotely`.
"""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, Q

from core.bulk import copy_rows, update_rows
from core.ids import new_id, to_text
from core.money import ZERO
from core.outbox.services.enqueue import Email, enqueue_emails
from customers.models import CustomerAppData
from invoicing.choices import OPEN_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.models import Invoice, Payment
from invoicing.payments.collect_remotely import collect_remotely
from invoicing.payments.dunning import failure_notice, next_try
from invoicing.payments.gateways import LOCAL_GATEWAYS, REMOTE_GATEWAYS, ChargeOutcome, ChargeRequest
from invoicing.payments.gateways.never import CANNOT_CHARGE, NEVER_CHARGED, cause_for_staff

BATCH_SIZE = 250


@dataclass(slots=True)
class _Attempt:
    invoice: Invoice
    number: int
    first_failed_at: datetime | None
    outcome: ChargeOutcome


def collect_due(*, as_of: datetime) -> int:
    """Charge every invoice whose next try is due by `as_of`; returns how many were tried."""
    tried = collect_remotely(as_of=as_of)
    local = Invoice.objects.exclude(app__type__in=REMOTE_GATEWAYS)
    while True:
        due = local.filter(next_collection_at__lte=as_of).order_by("next_collection_at", "id")
        ids = list(due.values_list("id", flat=True)[:BATCH_SIZE])
        done = collect_invoices(ids, as_of=as_of)
        tried += done
        if done == 0:
            return tried


@transaction.atomic
def collect_invoices(invoice_ids: Collection[uuid.UUID], *, as_of: datetime) -> int:
    """Charge those of these invoices whose next try is due by `as_of`; returns how many were tried.

    An invoice that another worker is charging right now is left to it, and one that is charged over the network to
    `collect_due`, which runs outside of any transaction within seconds.
    """
    if not invoice_ids:
        return 0
    invoices = list(
        Invoice.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("app", "supplier")
        .filter(pk__in=invoice_ids, next_collection_at__lte=as_of, status__in=OPEN_STATUSES, due__gt=0)
        .exclude(app__type__in=REMOTE_GATEWAYS)
        .order_by("id")
    )
    if not invoices:
        return 0
    attempts = _charge(invoices)
    _record(attempts, as_of)
    return len(attempts)


def _charge(invoices: Sequence[Invoice]) -> list[_Attempt]:
    earlier = _earlier_attempts(invoices)
    data = {
        (row.customer_id, row.app_id): row
        for row in CustomerAppData.objects.filter(customer_id__in={invoice.customer_id for invoice in invoices})
    }
    attempts = []
    for invoice in invoices:
        assert invoice.app is not None
        tried, first_failed_at = earlier.get(invoice.id, (0, None))
        known = data.get((invoice.customer_id, invoice.app.id))
        request = ChargeRequest(
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            app_id=invoice.app.id,
            amount=invoice.due,
            currency=invoice.currency,
            idempotency_key=f"{to_text(invoice.id)}-{tried + 1}",
            external_customer_id=known.external_id if known else None,
            customer_data=known.data if known else {},
        )
        gateway = LOCAL_GATEWAYS.get(invoice.app.type)
        if gateway is None:
            outcome = ChargeOutcome(
                PaymentStatus.FAILED,
                failure_code=CANNOT_CHARGE,
                failure_message=f"{invoice.app.name} can't charge automatically: record the customer's payment.",
            )
        else:
            outcome = gateway.charge(request)
        attempts.append(_Attempt(invoice, tried + 1, first_failed_at, outcome))
    return attempts


def _earlier_attempts(invoices: Iterable[Invoice]) -> dict[uuid.UUID, tuple[int, datetime | None]]:
    theirs = Q(status=PaymentStatus.FAILED) & ~Q(failure_code__in=NEVER_CHARGED)
    rows = (
        Payment.objects.filter(invoice__in=[invoice.id for invoice in invoices], attempt__isnull=False)
        .order_by()
        .values("invoice_id")
        .annotate(tried=Count("id"), first_failed_at=Min("created_at", filter=theirs))
    )
    return {row["invoice_id"]: (row["tried"], row["first_failed_at"]) for row in rows}


def _record(attempts: Sequence[_Attempt], as_of: datetime) -> None:
    """Write the attempts and what they make of their invoices; tell customers of failures."""
    payments: list[dict[str, Any]] = []
    updates = []
    emails: list[Email] = []
    for attempt in attempts:
        invoice, outcome = attempt.invoice, attempt.outcome
        assert invoice.app is not None
        payments.append(
            {
                "id": new_id(),
                "created_at": as_of,
                "updated_at": as_of,
                "invoice_id": invoice.id,
                "app_id": invoice.app.id,
                "amount": invoice.due,
                "currency": invoice.currency,
                "status": outcome.status.value,
                "attempt": attempt.number,
                "external_id": outcome.external_id,
                "failure_code": outcome.failure_code,
                "failure_message": outcome.failure_message,
                "customer_at_app": "",
                "reference": "",
                "received_at": as_of if outcome.status == PaymentStatus.SUCCEEDED else None,
                "to_balance": ZERO,
                "sent_at": None,
                "provider_state_at": None,
                "next_check_at": None,
                "checks": 0,
                "to_cancel": False,
            }
        )
        updates.append(_effect(attempt, as_of))
        told = outcome.status in (PaymentStatus.FAILED, PaymentStatus.ACTION_REQUIRED)
        if told and outcome.failure_code not in NEVER_CHARGED:
            emails.append(failure_notice(invoice, message=outcome.failure_message, attempt=attempt.number))
    copy_rows(Payment, payments)
    update_rows(Invoice, ("status", "status_note", "paid", "due", "next_collection_at", "updated_at"), updates)
    enqueue_emails(emails)


def _effect(attempt: _Attempt, as_of: datetime) -> tuple[Any, ...]:
    """The invoice's columns after the attempt: id, status, note, paid, due, next try, time."""
    invoice, outcome = attempt.invoice, attempt.outcome
    if outcome.status == PaymentStatus.SUCCEEDED:
        paid: Decimal = invoice.paid + invoice.due
        return invoice.id, InvoiceStatus.PAID.value, "", paid, ZERO, None, as_of
    overdue = invoice.status == InvoiceStatus.OVERDUE
    status = {
        PaymentStatus.FAILED: InvoiceStatus.PAYMENT_FAILED,
        PaymentStatus.ACTION_REQUIRED: InvoiceStatus.PAYMENT_ACTION_REQUIRED,
    }.get(outcome.status, InvoiceStatus.PAYMENT_PENDING)
    never = outcome.failure_code in NEVER_CHARGED
    failed = outcome.status == PaymentStatus.FAILED and not never
    again = next_try(invoice, first_failed_at=attempt.first_failed_at or as_of, as_of=as_of) if failed else None
    return (
        invoice.id,
        InvoiceStatus.OVERDUE.value if overdue else status.value,
        cause_for_staff(outcome.failure_code, outcome.failure_message) if never else outcome.failure_message,
        invoice.paid,
        invoice.due,
        again,
        as_of,
    )
