"""Owns a draft's steps: which is next, when, where it stands then, and what can be done to it (billing rules 6)."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from django.db.models import Min, Q, QuerySet

from core.errors import BillingError
from core.periods import parse_duration
from customers.choices import CollectionMethod
from invoicing.choices import DELETABLE_STATUSES, DRAFT_STATUSES, STOPPED_STATUSES, InvoiceStatus
from invoicing.errors import INTERNAL_ERROR, CannotBill
from invoicing.lifecycle.states import may_follow
from invoicing.lifecycle.voiding import why_not_by_sums
from invoicing.models import Invoice

TO_COLLECT = tuple(status for status in DRAFT_STATUSES if may_follow(status, InvoiceStatus.DRAFT_COLLECTING_FAILED))
"""Drafts whose quantities are not fixed yet."""

COLLECTED_IN_TIME = (InvoiceStatus.DRAFT_CREATED, InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION)
"""Those of them which are collected by themselves, once their time has come."""

_TO_ISSUE = tuple(status for status in DELETABLE_STATUSES if may_follow(status, InvoiceStatus.ISSUED))

TO_RETRY = tuple(status for status in STOPPED_STATUSES if status in (*TO_COLLECT, *_TO_ISSUE))
"""What is not issued yet, and a step of it failed that can be tried again, that step alone."""

NOT_ISSUED = tuple(status for status in TO_RETRY if status in _TO_ISSUE)
"""Those of them which were to be issued, and could not be: what they say was not right, or their issue went wrong."""

TO_APPROVE = tuple(status for status in _TO_ISSUE if status not in STOPPED_STATUSES)
"""Drafts that wait for approval, by staff or by time."""

_CHARGED = CollectionMethod.CHARGE_AUTOMATICALLY

_ISSUED_IN_TIME = InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL

# As in the index of drafts, or all invoices are read.
_DRAFT = Q(status__startswith="draft.")


def collected_at(ended_at: datetime, collection_interval: str) -> datetime:
    """From when the quantities of a period that `ended_at` are fixed: until then usage and reports still count."""
    return parse_duration(collection_interval).after(ended_at)


def collection_at(ends: Collection[datetime], collection_interval: str, *, made_at: datetime) -> datetime:
    """When a draft made at `made_at` is collected: once the last of its metered periods, which ended at `ends`, is."""
    return max(made_at, collected_at(max(ends), collection_interval)) if ends else made_at


def draft_until(collected: datetime, draft_period: str) -> datetime:
    """Until when a draft can be looked at: the time of its collection plus the frozen draft period."""
    return parse_duration(draft_period).after(collected)


def status_after_collection(auto_advance: bool, until: datetime, as_of: datetime) -> InvoiceStatus:
    """Where a draft stands once its quantities are fixed; ISSUED where nothing keeps it, and it is to be issued."""
    if not auto_advance:
        return InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED
    return InvoiceStatus.ISSUED if until <= as_of else InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL


def step_of_failure(status: str, cause: BillingError) -> InvoiceStatus:
    """The named failed state of the step at which a draft in `status` stopped for that `cause`: its collection, its
    validation (what it says can't be issued: staff mend or delete it) or its issue."""
    if status in TO_COLLECT:
        return InvoiceStatus.DRAFT_COLLECTING_FAILED
    is_invalid = isinstance(cause, CannotBill) and cause.code != INTERNAL_ERROR
    return InvoiceStatus.DRAFT_INVALID if is_invalid else InvoiceStatus.ISSUING_FAILED


def next_step_at(invoice: Invoice) -> datetime | None:
    """When (UTC) a draft takes its next step by itself: it is collected, or issued. None where it takes none."""
    if invoice.status in COLLECTED_IN_TIME:
        return invoice.collection_at
    return invoice.draft_until if invoice.status == _ISSUED_IN_TIME else None


def drafts_due(as_of: datetime) -> QuerySet[Invoice]:
    """Drafts whose next step is due by `as_of`: the same rule as `next_step_at`, in SQL."""
    return Invoice.objects.filter(_DRAFT).filter(
        Q(status__in=COLLECTED_IN_TIME, collection_at__lte=as_of) | Q(status=_ISSUED_IN_TIME, draft_until__lte=as_of)
    )


def first_step_after(moment: datetime) -> datetime | None:
    """When the first draft takes a step after `moment`; None where none does. Two queries."""
    collected = Invoice.objects.filter(_DRAFT, status__in=COLLECTED_IN_TIME, collection_at__gt=moment)
    issued = Invoice.objects.filter(_DRAFT, status=_ISSUED_IN_TIME, draft_until__gt=moment)
    found = (collected.aggregate(at=Min("collection_at"))["at"], issued.aggregate(at=Min("draft_until"))["at"])
    return min((at for at in found if at is not None), default=None)


def can_advance(invoice: Invoice, as_of: datetime) -> bool:
    """Whether the next step is due at `as_of`. One that failed is retried instead."""
    due = next_step_at(invoice)
    return due is not None and due <= as_of


class Act(StrEnum):
    """What can be done to an invoice, by its name on the wire."""

    INVOICE = "invoice"
    ADVANCE = "advance"
    APPROVE = "approve"
    DELETE = "delete"
    RETRY = "retry"
    SNAPSHOT_QUANTITIES = "snapshotQuantities"
    VOID = "void"


def allowed_acts(invoice: Invoice, as_of: datetime) -> dict[Act, InvoiceStatus | None]:
    """What can be done to `invoice` at `as_of`, and the state that it comes to by that: ISSUED also where a total of
    zero is paid at once, None where it stays as it is. Nothing can be done to one that is not stored."""
    if invoice._state.adding:
        return {}
    acts: dict[Act, InvoiceStatus | None] = {}
    if invoice.status == InvoiceStatus.GATHERING:
        acts[Act.INVOICE] = None
    if can_advance(invoice, as_of):
        to_collect = invoice.status in TO_COLLECT
        acts[Act.ADVANCE] = _after_collection(invoice, as_of) if to_collect else InvoiceStatus.ISSUED
    if invoice.status in TO_COLLECT:
        after = _after_collection(invoice, as_of)
        # Collected early, it is issued by its next step alone.
        acts[Act.SNAPSHOT_QUANTITIES] = _ISSUED_IN_TIME if after == InvoiceStatus.ISSUED else after
    if invoice.status in TO_RETRY:
        acts[Act.RETRY] = acts.get(Act.SNAPSHOT_QUANTITIES, InvoiceStatus.ISSUED)
    elif invoice.status == InvoiceStatus.PAYMENT_FAILED and invoice.collection_method == _CHARGED:
        # Refused all the same where the app can never charge it.
        acts[Act.RETRY] = InvoiceStatus.PAYMENT_PENDING
    if invoice.status in TO_APPROVE:
        acts[Act.APPROVE] = InvoiceStatus.ISSUED
    if invoice.status in DELETABLE_STATUSES:
        acts[Act.DELETE] = InvoiceStatus.DELETED
    if not why_not_by_sums(invoice):
        # Refused all the same while a charge of it has no known end.
        acts[Act.VOID] = InvoiceStatus.VOIDED
    return acts


def _after_collection(draft: Invoice, as_of: datetime) -> InvoiceStatus:
    auto_advance = draft.workflow_snapshot["values"]["auto_advance"]
    return status_after_collection(auto_advance, draft.draft_until or as_of, as_of)
