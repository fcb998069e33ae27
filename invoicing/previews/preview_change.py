"""Shows what follows: the closes to come are made as they will be, in a transaction that is rolled back.

A preview is the same computation without the write (billing rules 10): the facts of a change are written, the clock is
put forward from one moment at which something falls due to the next, and what has come about is read off the tables.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import F, OuterRef, Subquery

from core import clock
from core.batches import DATABASE_AWAY
from core.errors import BillingError
from customers.models import Customer
from invoicing.choices import InvoiceStatus
from invoicing.closing.close import as_cause, compute, select_due, store
from invoicing.drafts.advance_invoice import collect_drafts, ready_to_issue
from invoicing.drafts.next_step import drafts_due
from invoicing.lifecycle.draft_steps import COLLECTED_IN_TIME
from invoicing.lifecycle.issue import issue_drafts
from invoicing.lifecycle.numbering import uncounted
from invoicing.lifecycle.states import check_moves
from invoicing.models import Invoice, InvoiceLine, ParkedCustomer
from invoicing.payments.gateways import GATEWAYS
from invoicing.previews.outlook import Outlook
from invoicing.previews.read_outlook import Known, known_of, read_outlook
from subscriptions.models import Subscription

# How many closes are made one by one up to the change, and behind it. What is due beyond the first is shown as one.
MOST_BEFORE = 36
MOST_AFTER = 12


@dataclass(slots=True)
class _Ahead:
    """How far it has come."""

    moment: datetime
    gathered_from: datetime | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class LookAhead:
    """A look ahead for one customer, in the caller's transaction, which holds the customer's lock. `begin` it before
    anything is changed. For an `outlook` the transaction has its numbers `uncounted`, and is rolled back."""

    customer_id: uuid.UUID
    now: datetime
    known: Known

    @classmethod
    def begin(cls, customer_id: uuid.UUID) -> "LookAhead":
        return cls(customer_id, clock.now(), known_of(customer_id))

    def outlook(self, *, effect: datetime, watched: set[uuid.UUID]) -> Outlook:
        """What follows until `effect`, and on until each item of the subscriptions `watched` has been billed once more;
        behind `effect`, no more than `MOST_AFTER` closes. Of a parked customer, whose money waits, what there is.

        A fixed number of queries for each close, of which there are `MOST_BEFORE + MOST_AFTER` at most.
        """
        ahead = _Ahead(self.now)
        first = _next(self.customer_id, watched)
        if first.parked_for is not None:
            ahead.cause = f"Billing is parked until the customer is released: {first.parked_for}"
        else:
            self._go(ahead, first, max(effect, self.now), watched)
        return read_outlook(
            self.customer_id,
            self.known,
            until=ahead.moment,
            gathered_from=ahead.gathered_from,
            cause=ahead.cause,
        )

    def glimpse(self, *, effect: datetime) -> Outlook:
        """The outlook until `effect`, from within a transaction that is kept."""
        with transaction.atomic(), uncounted():
            outlook = self.outlook(effect=effect, watched=set())
            transaction.set_rollback(True)
        return outlook

    def _go(self, ahead: _Ahead, upcoming: "_Next", effect: datetime, watched: set[uuid.UUID]) -> None:
        before = after = 0
        horizon: datetime | None = None
        while not ahead.cause and upcoming.at is not None:
            at = max(upcoming.at, ahead.moment)
            if at == ahead.moment and before + after > 0:
                # What is due can't be done: a close would try it again, and so on.
                break
            if at > effect:
                horizon = horizon or upcoming.gathered_until or effect
                # A draft that has been made by then is still followed until it is issued.
                if upcoming.closes and (at > horizon or after == MOST_AFTER):
                    break
                after += 1
            else:
                before += 1
                if before > MOST_BEFORE and at < effect:
                    ahead.gathered_from, at = at, effect
            if before + after == 1:
                # What the change itself has made is charged at once.
                _collect(self.customer_id, self.now)
            ahead.cause = _live(self.customer_id, at)
            ahead.moment = at
            upcoming = _next(self.customer_id, watched)
        if not ahead.cause:
            ahead.moment = max(ahead.moment, effect)


@dataclass(frozen=True, slots=True)
class _Next:
    """What falls due next for a customer: when a close, when a step of a draft; or what billing is parked for.

    `gathered_until` is when the last of the items of the watched subscriptions is billed next: each has a line that
    waits.
    """

    close_at: datetime | None
    draft_at: datetime | None
    gathered_until: datetime | None
    parked_for: str | None

    @property
    def at(self) -> datetime | None:
        return min((moment for moment in (self.close_at, self.draft_at) if moment is not None), default=None)

    @property
    def closes(self) -> bool:
        return self.close_at is not None and self.close_at == self.at


def _next(customer_id: uuid.UUID, watched: set[uuid.UUID]) -> _Next:
    """One query."""
    mine = {"customer": OuterRef("pk")}
    waiting = Subscription.objects.filter(next_billing_at__isnull=False, **mine).order_by("next_billing_at")
    drafts = Invoice.objects.filter(status__in=COLLECTED_IN_TIME, collection_at__isnull=False, **mine)
    reviewed = Invoice.objects.filter(
        status=InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL, draft_until__isnull=False, **mine
    )
    gathered = InvoiceLine.objects.filter(
        subscription_id__in=watched,
        invoice__status=InvoiceStatus.GATHERING,
        invoice__customer=OuterRef("pk"),
        deleted_at__isnull=True,
    )
    parked = ParkedCustomer.objects.filter(released_at__isnull=True, **mine)
    close_at, collect_at, issue_at, gathered_until, parked_for = (
        Customer.objects.order_by()
        .values_list(
            Subquery(waiting.values("next_billing_at")[:1]),
            Subquery(drafts.order_by("collection_at").values("collection_at")[:1]),
            Subquery(reviewed.order_by("draft_until").values("draft_until")[:1]),
            Subquery(gathered.order_by("-invoice_at").values("invoice_at")[:1]),
            Subquery(parked.values("cause")[:1]),
        )
        .get(pk=customer_id)
    )
    draft_at = min((at for at in (collect_at, issue_at) if at is not None), default=None)
    return _Next(close_at, draft_at, gathered_until, parked_for)


def _live(customer_id: uuid.UUID, moment: datetime) -> str | None:
    """Do for the customer what is due at `moment`, in the order of an invoice's life. Answers why it can't be done."""
    with clock.frozen_at(moment):
        try:
            with transaction.atomic():
                computed = compute([customer_id], as_of=moment, select=select_due(moment)).or_refuse()
                store(computed, as_of=moment, run_id=None)
                _advance(customer_id, moment)
                _collect(customer_id, moment)
        except DATABASE_AWAY:
            raise
        except (BillingError, DatabaseError) as error:
            return as_cause(error, customer_id).message
    return None


def _advance(customer_id: uuid.UUID, moment: datetime) -> None:
    due = drafts_due(moment).filter(customer_id=customer_id).order_by("id")
    ids = list(due.values_list("id", flat=True))
    if ids:
        collect_drafts(ids, as_of=moment)
        issue_drafts(ready_to_issue(ids, as_of=moment), as_of=moment)


def _collect(customer_id: uuid.UUID, moment: datetime) -> None:
    """Pay what is due for its first charge: nobody is asked, it is taken to succeed."""
    check_moves([(InvoiceStatus.ISSUED, InvoiceStatus.PAID)])
    Invoice.objects.filter(
        customer_id=customer_id,
        status=InvoiceStatus.ISSUED,
        next_collection_at__lte=moment,
        due__gt=0,
        app__type__in=GATEWAYS,
    ).update(paid=F("paid") + F("due"), due=0, status=InvoiceStatus.PAID, next_collection_at=None)
