"""Moves drafts on to the next step of their life that is due (billing rules 6)."""

import math
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from core import clock
from core.batches import together_or_alone
from core.locks import lock_customers, only_one
from customers.choices import CollectionMethod
from invoicing.choices import UNISSUED_STATUSES, InvoiceStatus
from invoicing.closing.close import as_cause
from invoicing.closing.notify import notify_issued_rows
from invoicing.drafts.collect_quantities import collect_quantities
from invoicing.drafts.tax_at_issue import tax_at_issue
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.draft_steps import NOT_ISSUED, TO_COLLECT, TO_RETRY, can_advance, drafts_due, step_of_failure
from invoicing.lifecycle.issue import issue_drafts
from invoicing.lifecycle.issue_dates import IssueDates, at_its_date
from invoicing.lifecycle.states import may_follow, move
from invoicing.models import Invoice
from invoicing.payments.collect import collect_invoices

BATCH_SIZE = 250
SECONDS = 20.0  # of one worker's turn, so that its place is free for runs again; beat calls the next one

_TURN_LOCK = 0x64726674  # "drft": one worker moves drafts on at a time


def advance_in_turn(*, as_of: datetime, seconds: float = SECONDS) -> int:
    """Move drafts on as `advance_due` does, unless another worker is at it; 0 then, at once.

    Everybody would begin with the same drafts, and wait for each other's locks in places that runs need.
    """
    with only_one(_TURN_LOCK) as mine:
        return advance_due(as_of=as_of, seconds=seconds) if mine else 0


def advance_due(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Move on every draft whose next step is due by `as_of`, in batches, until none is left or `seconds` have passed;
    returns how many were moved. It ends with the batch that is under way then."""
    ends_at = time.monotonic() + seconds
    moved = 0
    while True:
        ids = list(drafts_due(as_of).order_by("id").values_list("id", flat=True)[:BATCH_SIZE])
        if not ids:
            return moved
        together_or_alone(ids, act=partial(_advance, as_of=as_of), fail=set_aside)
        moved += len(ids)
        if time.monotonic() > ends_at:
            return moved


def advance_invoice(*, invoice: Invoice) -> Invoice:
    """Move one draft on, if its next step is due. WrongInvoiceState when nothing is; a step that failed is retried
    (`retry_invoice`)."""
    as_of = clock.now()
    stored = Invoice.objects.get(pk=invoice.pk)
    if not can_advance(stored, as_of):
        raise WrongInvoiceState(_why_not(stored))
    _advance([invoice.pk], as_of=as_of)
    invoice.refresh_from_db()
    return invoice


@transaction.atomic
def set_aside(invoice_id: uuid.UUID, error: Exception) -> None:
    """Put a draft that can't be advanced aside, with the cause, in the state of the step that failed; staff try that
    step again."""
    draft = Invoice.objects.select_for_update().get(pk=invoice_id)
    cause = as_cause(error, draft.customer_id)
    failed = step_of_failure(draft.status, cause)
    # Meanwhile another worker may have moved it on: issued, deleted, or waiting for a person.
    if draft.status in UNISSUED_STATUSES and may_follow(draft.status, failed):
        move(draft, failed, note=cause.message)
        draft.save(update_fields=["status", "status_note", "updated_at"])


def _advance(invoice_ids: Sequence[uuid.UUID], *, as_of: datetime) -> None:
    """Collect what is to be collected, then issue what is to be issued: two transactions, so that a draft which can't
    be issued keeps its quantities."""
    customer_ids = list(Invoice.objects.filter(pk__in=invoice_ids).values_list("customer_id", flat=True))
    with transaction.atomic():
        lock_customers(customer_ids)
        collect_drafts(invoice_ids, as_of=as_of)
    with transaction.atomic():
        lock_customers(customer_ids)
        ready = ready_to_issue(invoice_ids, as_of=as_of)
        issue_and_notify(ready)
    collect_invoices(ready, as_of=clock.now())


def collect_drafts(invoice_ids: Sequence[uuid.UUID], *, as_of: datetime, again: bool = False) -> None:
    """Take the quantities of those of these drafts whose time has come; `again`: also where that failed before, which
    staff may have asked for ahead of the time. In the transaction that holds the locks."""
    # Read again under the locks: another worker may have moved them on meanwhile.
    drafts = Invoice.objects.select_for_update().filter(pk__in=invoice_ids, status__in=TO_COLLECT)
    ready = Q(collection_at__lte=as_of)
    if again:
        ready |= Q(status=InvoiceStatus.DRAFT_COLLECTING_FAILED)
    collect_quantities(list(drafts.filter(ready).order_by("id")), as_of=as_of)


def ready_to_issue(invoice_ids: Sequence[uuid.UUID], *, as_of: datetime, again: bool = False) -> list[uuid.UUID]:
    """Those of these drafts whose time of review is over; `again`: also what could not be issued before."""
    ready = Q(status=InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL)
    ready &= Q(draft_until__isnull=True) | Q(draft_until__lte=as_of)
    if again:
        ready |= Q(status__in=NOT_ISSUED)
    drafts = Invoice.objects.select_for_update().filter(ready, pk__in=invoice_ids).order_by("id")
    return list(drafts.values_list("id", flat=True))


def issue_and_notify(invoice_ids: Sequence[uuid.UUID]) -> None:
    """Issue drafts now and send those that customers pay by themselves. In the transaction that holds the locks."""
    rows = issue_now(invoice_ids)
    notify_issued_rows([row for row in rows if row["collection_method"] == CollectionMethod.SEND_INVOICE])


def issue_now(invoice_ids: Sequence[uuid.UUID]) -> list[dict[str, Any]]:
    """Issue drafts, taxed and dated now, or as their series is, if that is later; returns their columns. In the
    transaction that holds the locks."""
    now = clock.now()

    def issue(dates: IssueDates) -> list[dict[str, Any]]:
        tax_at_issue(invoice_ids, now=now, dates=dates)
        return issue_drafts(invoice_ids, now=now, taxed_at=dates)

    return at_its_date(issue)


def _why_not(invoice: Invoice) -> str:
    if invoice.status == InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL:
        return f"It is approved automatically on {invoice.draft_until:%-d %B %Y %H:%M} UTC; approve it to issue it now."
    if invoice.status == InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED:
        return "It waits for approval: approve it to issue it."
    if invoice.status in TO_RETRY:
        return f"A step of it failed ({invoice.get_status_display()}): mend the cause, then retry that step."
    if invoice.status in TO_COLLECT:
        return f"Its usage is collected on {invoice.collection_at:%-d %B %Y %H:%M} UTC."
    return f"Only drafts can be advanced; this one is: {invoice.get_status_display()}."
