"""Owns what falls due for customers, and does it as it will be done: closes, the steps of drafts, first charges.

For a transaction that is rolled back: nothing is parked, nobody is told, nobody is charged.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from core.batches import together_or_alone
from core.errors import BillingError
from core.many_ids import among
from customers.models import Customer
from invoicing.choices import InvoiceStatus
from invoicing.closing.close import as_cause, compute, late_collected, select_due, store
from invoicing.drafts.advance_invoice import collect_drafts, issue_now, ready_to_issue, set_aside
from invoicing.errors import CannotBill, CustomerParked
from invoicing.gateways import GATEWAYS
from invoicing.lifecycle.draft_steps import COLLECTED_IN_TIME, drafts_due
from invoicing.lifecycle.issue_dates import IssueDates, at_its_date
from invoicing.lifecycle.states import check_moves
from invoicing.models import BillingDue, Invoice, InvoiceLine, ParkedCustomer

Problems = dict[uuid.UUID, BillingError]


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What falls due next for a customer: when a close, when a step of a draft; or what billing is parked for.

    `gathered_until` is when the last of the items of the watched subscriptions falls due next: each has a line that
    waits.
    """

    close_at: datetime | None
    draft_at: datetime | None
    gathered_until: datetime | None = None
    parked: BillingError | None = None

    @property
    def at(self) -> datetime | None:
        return min((moment for moment in (self.close_at, self.draft_at) if moment is not None), default=None)

    @property
    def closes(self) -> bool:
        return self.close_at is not None and self.close_at == self.at


def upcoming_of(customer_id: uuid.UUID, watched: Collection[uuid.UUID] = ()) -> Upcoming:
    """What falls due next. A parked customer is not closed; their drafts go on. One query."""
    mine = {"customer": OuterRef("pk")}
    closes = BillingDue.objects.filter(**mine).order_by("due_at")
    drafts = Invoice.objects.filter(status__in=COLLECTED_IN_TIME, collection_at__isnull=False, **mine)
    reviewed = Invoice.objects.filter(
        status=InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL, draft_until__isnull=False, **mine
    )
    gathered = InvoiceLine.objects.counted().filter(
        subscription_id__in=watched,
        invoice__status=InvoiceStatus.GATHERING,
        invoice__customer=OuterRef("pk"),
    )
    parked = ParkedCustomer.objects.still_parked().filter(**mine)
    close_at, collect_at, issue_at, gathered_until, parked_for = (
        Customer.objects.order_by()
        .values_list(
            Subquery(closes.values("due_at")[:1]),
            Subquery(drafts.order_by("collection_at").values("collection_at")[:1]),
            Subquery(reviewed.order_by("draft_until").values("draft_until")[:1]),
            Subquery(gathered.order_by("-invoice_at").values("invoice_at")[:1]),
            Subquery(parked.values("cause")[:1]),
        )
        .get(pk=customer_id)
    )
    draft_at = min((at for at in (collect_at, issue_at) if at is not None), default=None)
    if parked_for is not None:
        return Upcoming(None, draft_at, parked=_parked_for(parked_for))
    return Upcoming(close_at, draft_at, gathered_until)


def parked_among(customer_ids: Collection[uuid.UUID]) -> Problems:
    """Who of these customers is parked, and for what. One query."""
    parked = ParkedCustomer.objects.still_parked().order_by()
    causes = among(parked, "customer_id", customer_ids).values_list("customer_id", "cause")
    return {customer_id: _parked_for(cause) for customer_id, cause in causes}


def _parked_for(cause: str) -> BillingError:
    message = f"Billing is parked until the customer is released: {cause}"
    return CannotBill(message, code=CustomerParked.default_code)


def close_due(customer_ids: Sequence[uuid.UUID], *, as_of: datetime) -> Problems:
    """Bill everything that is due for these customers by `as_of`. Answers who can't be billed, and why."""
    if not customer_ids:
        return {}
    groups = together_or_alone(
        customer_ids,
        act=lambda ids: at_its_date(partial(_close, ids, as_of)),
        fail=lambda customer_id, error: {customer_id: as_cause(error, customer_id)},
    )
    return {customer_id: error for group in groups for customer_id, error in group.items()}


def move_drafts_on(customer_ids: Collection[uuid.UUID], *, as_of: datetime) -> None:
    """Take the steps of these customers' drafts that are due by `as_of`; a draft whose step fails is set aside."""
    due = among(drafts_due(as_of), "customer_id", customer_ids).order_by("id")
    ids = list(due.values_list("id", flat=True))
    if ids:
        together_or_alone(ids, act=lambda some: _advance(some, as_of), fail=set_aside)


def charge(customer_ids: Collection[uuid.UUID], *, until: datetime, inclusive: bool = True) -> None:
    """Pay what is due for an automatic charge by `until`, or before it: nobody is asked, it is taken to succeed."""
    check_moves([(InvoiceStatus.ISSUED, InvoiceStatus.PAID)])
    due = Q(next_collection_at__lte=until) if inclusive else Q(next_collection_at__lt=until)
    issued = among(Invoice.objects.order_by(), "customer_id", customer_ids)
    issued.filter(due, status=InvoiceStatus.ISSUED, due__gt=0, app__type__in=GATEWAYS).update(
        paid=F("paid") + F("due"), due=0, status=InvoiceStatus.PAID, next_collection_at=None
    )


def _close(customer_ids: Sequence[uuid.UUID], as_of: datetime, dates: IssueDates) -> Problems:
    computed = compute(
        customer_ids, as_of=as_of, select=select_due(as_of), late=late_collected(as_of), issue_dates=dates
    )
    store(computed, as_of=as_of, run_id=None)
    return computed.failures


@transaction.atomic
def _advance(draft_ids: Sequence[uuid.UUID], as_of: datetime) -> None:
    collect_drafts(draft_ids, as_of=as_of)
    issue_now(ready_to_issue(draft_ids, as_of=as_of))
