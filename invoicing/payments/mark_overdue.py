"""Marks unpaid invoices overdue once their due date has passed, and reminds their customers."""

import math
import time
import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from core.bulk import update_rows
from core.outbox.services.enqueue import enqueue_emails
from invoicing.choices import OPEN_STATUSES, InvoiceStatus
from invoicing.gateways.never import NEVER_CHARGED
from invoicing.lifecycle.states import MOVES, check_moves
from invoicing.models import Invoice, Payment
from invoicing.payments.dunning import overdue_notice

BATCH_SIZE = 500

# What the table of moves lets become overdue and is not yet so: not while a charge is under way.
BECOME_OVERDUE = tuple(status for status in OPEN_STATUSES if InvoiceStatus.OVERDUE in MOVES[status])


def mark_overdue(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Mark every invoice that was due by `as_of` and still has something due; returns how many were marked. After
    `seconds` it ends with the batch that is under way, and leaves the rest.

    Their customers are reminded, but for those whose money was given back past us, and those whom the app can't charge.
    """
    ends_at = time.monotonic() + seconds
    marked = 0
    while done := _mark_batch(as_of):
        marked += done
        if time.monotonic() > ends_at:
            break
    return marked


@transaction.atomic
def _mark_batch(as_of: datetime) -> int:
    invoices = list(
        Invoice.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(due__gt=0, issued_at__isnull=False, due_at__lte=as_of, status__in=BECOME_OVERDUE)
        .order_by("due_at", "id")[:BATCH_SIZE]
    )
    check_moves((invoice.status, InvoiceStatus.OVERDUE) for invoice in invoices)
    for_staff = _never_charged(invoices)
    update_rows(
        Invoice, ("status", "updated_at"), [(invoice.id, InvoiceStatus.OVERDUE.value, as_of) for invoice in invoices]
    )
    enqueue_emails(
        [
            overdue_notice(invoice)
            for invoice in invoices
            # Who was given the money back, or could not be charged through us, is not told to pay: staff decide.
            if not invoice.refunded and invoice.pk not in for_staff
        ]
    )
    return len(invoices)


def _never_charged(invoices: Sequence[Invoice]) -> set[uuid.UUID]:
    """Those of them whose latest charge could never succeed. One query."""
    charges = Payment.objects.filter(invoice__in=invoices, attempt__isnull=False).order_by("invoice_id", "-attempt")
    latest = charges.distinct("invoice_id").values_list("invoice_id", "failure_code")
    return {invoice_id for invoice_id, code in latest if code in NEVER_CHARGED}
