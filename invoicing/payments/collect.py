"""Collects issued invoices automatically, and plans the next try where a charge fails (billing rules 11).

What charges at once, inside a transaction, is done here; charges over the network are in `collect_remotely`.
"""

import math
import time
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q

from core.bulk import copy_rows, update_rows
from core.ids import to_text
from core.many_ids import among
from core.money import ZERO
from core.outbox.services.enqueue import Email, enqueue_emails
from customers.models import BillingApp, CustomerAppData
from invoicing.choices import OPEN_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.gateways import LOCAL_GATEWAYS, REMOTE_GATEWAYS, ChargeOutcome, ChargeRequest
from invoicing.gateways.never import CANNOT_CHARGE
from invoicing.lifecycle.states import check_moves
from invoicing.models import Invoice, Payment
from invoicing.payments.after_charge import AfterCharge, Charge, Notice, after_charge
from invoicing.payments.collect_remotely import collect_remotely
from invoicing.payments.dunning import action_notice, failure_notice, first_failures, plan_of
from invoicing.payments.payment_row import payment_row

BATCH_SIZE = 250


@dataclass(slots=True)
class _Attempt:
    invoice: Invoice
    number: int
    first_failed_at: datetime | None
    outcome: ChargeOutcome


def collect_due(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Charge every invoice whose next try is due by `as_of`; returns how many were tried. After `seconds` it ends with
    the batch that is under way: one over the network and one that isn't are always tried."""
    ends_at = time.monotonic() + seconds
    tried = collect_remotely(as_of=as_of, seconds=seconds)
    local = Invoice.objects.exclude(app__type__in=REMOTE_GATEWAYS)
    while True:
        due = local.filter(next_collection_at__lte=as_of).order_by("next_collection_at", "id")
        ids = list(due.values_list("id", flat=True)[:BATCH_SIZE])
        done = collect_invoices(ids, as_of=as_of)
        tried += done
        if done == 0 or time.monotonic() > ends_at:
            return tried


@transaction.atomic
def collect_invoices(invoice_ids: Collection[uuid.UUID], *, as_of: datetime) -> int:
    """Charge those of these invoices whose next try is due by `as_of`, or at their issue, which the series may have
    dated a moment later; returns how many were tried.

    An invoice that another worker is charging right now is left to it, and one that is charged over the network to
    `collect_due`, which runs outside of any transaction within seconds.
    """
    if not invoice_ids:
        return 0
    due = Invoice.objects.filter(Q(next_collection_at__lte=as_of) | Q(next_collection_at=F("issued_at")))
    due = among(due, "id", invoice_ids)
    invoices = list(
        due.select_for_update(of=("self",), skip_locked=True)
        .select_related("app", "supplier")
        .filter(status__in=OPEN_STATUSES, due__gt=0)
        .exclude(app__type__in=REMOTE_GATEWAYS)
        .order_by("id")
    )
    if not invoices:
        return 0
    attempts = _charge(invoices)
    _record(attempts, max(as_of, *(invoice.issued_at or as_of for invoice in invoices)))
    return len(attempts)


def cannot_charge(app: BillingApp) -> ChargeOutcome:
    """What a charge at an app comes to that has no way to charge."""
    return ChargeOutcome(
        PaymentStatus.FAILED,
        failure_code=CANNOT_CHARGE,
        failure_message=f"{app.name} can't charge automatically: record the customer's payment.",
    )


def _charge(invoices: Sequence[Invoice]) -> list[_Attempt]:
    tried = _tries(invoices)
    # Most are charged for the first time: nothing of theirs can have failed yet.
    failed = first_failures(tried) if tried else {}
    data = {
        (row.customer_id, row.app_id): row
        for row in among(CustomerAppData.objects.all(), "customer_id", {each.customer_id for each in invoices})
    }
    attempts = []
    for invoice in invoices:
        assert invoice.app is not None
        number = tried.get(invoice.id, 0) + 1
        known = data.get((invoice.customer_id, invoice.app.id))
        request = ChargeRequest(
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            app_id=invoice.app.id,
            amount=invoice.due,
            currency=invoice.currency,
            idempotency_key=f"{to_text(invoice.id)}-{number}",
            external_customer_id=known.external_id if known else None,
            customer_data=known.data if known else {},
        )
        gateway = LOCAL_GATEWAYS.get(invoice.app.type)
        outcome = gateway.charge(request) if gateway is not None else cannot_charge(invoice.app)
        attempts.append(_Attempt(invoice, number, failed.get(invoice.id), outcome))
    return attempts


def _tries(invoices: Iterable[Invoice]) -> dict[uuid.UUID, int]:
    """How often each of these was tried before, those that were."""
    charges = among(Payment.objects.filter(attempt__isnull=False), "invoice_id", [invoice.id for invoice in invoices])
    return dict(charges.order_by().values_list("invoice_id").annotate(tried=Count("id")))


def _record(attempts: Sequence[_Attempt], as_of: datetime) -> None:
    """Write the attempts and what they make of their invoices; tell customers of failures."""
    payments: list[dict[str, Any]] = []
    updates: list[tuple[Any, ...]] = []
    moves: set[tuple[str, str]] = set()
    emails: list[Email] = []
    for attempt in attempts:
        invoice, outcome = attempt.invoice, attempt.outcome
        assert invoice.app is not None
        payments.append(
            payment_row(
                invoice_id=invoice.id,
                app_id=invoice.app.id,
                amount=invoice.due,
                currency=invoice.currency,
                attempt=attempt.number,
                outcome=outcome,
                as_of=as_of,
            )
        )
        after = _after(attempt, as_of)
        moves.add((invoice.status, after.status))
        updates.append(_effect(invoice, after, as_of))
        if after.notice is Notice.FAILURE:
            emails.append(failure_notice(invoice, message=outcome.failure_message, attempt=attempt.number))
        elif after.notice is Notice.CONFIRM:
            emails.append(action_notice(invoice, attempt=attempt.number, as_of=as_of))
    check_moves(moves)
    copy_rows(Payment, payments)
    update_rows(Invoice, ("status", "status_note", "paid", "due", "next_collection_at", "updated_at"), updates)
    enqueue_emails(emails)


def _after(attempt: _Attempt, as_of: datetime) -> AfterCharge:
    invoice = attempt.invoice
    # The attempt is not stored yet: should it have failed as the first, the plan counts from it.
    charge = Charge(as_of, invoice.status, attempt.first_failed_at, plan_of(invoice))
    return after_charge(charge, attempt.outcome, as_of=as_of)


def _effect(invoice: Invoice, after: AfterCharge, as_of: datetime) -> tuple[Any, ...]:
    """The invoice's columns after the attempt: id, status, note, paid, due, next try, time."""
    paid, due = invoice.paid, invoice.due
    if after.status == InvoiceStatus.PAID:
        paid, due = paid + due, ZERO
    return invoice.id, after.status.value, after.note, paid, due, after.next_try, as_of
