"""Owns when a draft's next step is due, and what can be done to an invoice before it is issued (billing rules 6)."""

from datetime import datetime
from enum import StrEnum

from django.db.models import Min, Q, QuerySet

from invoicing.choices import DRAFT_STATUSES, InvoiceStatus
from invoicing.lifecycle.draft_steps import (
    COLLECTED_IN_TIME,
    TO_APPROVE,
    TO_COLLECT,
    TO_RETRY,
    status_after_collection,
)
from invoicing.models import Invoice

_ISSUED_IN_TIME = InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL
# As in the index of drafts, or all invoices are read.
_DRAFT = Q(status__startswith="draft.")


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
    """Whether the next step can be taken at `as_of`: it is due, or failed and can be tried again."""
    due = next_step_at(invoice)
    return invoice.status in TO_RETRY or (due is not None and due <= as_of)


class Act(StrEnum):
    """What can be done to an invoice before it is issued, by its name on the wire."""

    INVOICE = "invoice"
    ADVANCE = "advance"
    APPROVE = "approve"
    DELETE = "delete"
    SNAPSHOT_QUANTITIES = "snapshotQuantities"


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
    if invoice.status in TO_APPROVE:
        acts[Act.APPROVE] = InvoiceStatus.ISSUED
    if invoice.status in DRAFT_STATUSES:
        acts[Act.DELETE] = InvoiceStatus.DELETED
    return acts


def _after_collection(draft: Invoice, as_of: datetime) -> InvoiceStatus:
    auto_advance = draft.workflow_snapshot["values"]["auto_advance"]
    return status_after_collection(auto_advance, draft.draft_until or as_of, as_of)
