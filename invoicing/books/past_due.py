"""Owns invariant 10: nobody is past due for billing without an invoice, a run in progress or a parked cause."""

import uuid
from collections.abc import Iterator
from itertools import islice

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from core.ids import to_text
from customers.effective_settings import terms_of
from invoicing.books.examination import Examination, Finding, name_customer, name_invoice
from invoicing.choices import CustomerOutcome, InvoiceStatus, LineKind, LineManagedBy, RunStatus
from invoicing.closing.park_customer import is_parked
from invoicing.closing.rhythm import rhythm_of
from invoicing.lifecycle.draft_steps import drafts_due
from invoicing.models import BillingDue, InvoiceLine, RunCustomer, RunShard
from subscriptions.models import Subscription

_AT_ONCE = 500
START = "See that beat and a worker run (manage.py doctor), or start a billing run."


def nothing_is_past_due(exam: Examination) -> Iterator[Finding]:
    """What fell due more than the grace ago is billed, being billed, or parked; drafts have moved on, too."""
    yield from _customers(exam)
    yield from _waiting_too_long()
    yield from _due_too_late(exam)
    yield from _charges_unseen()
    for draft in drafts_due(exam.settled_by).select_related("customer").iterator(chunk_size=500):
        customer = draft.customer
        yield Finding(
            name_invoice(None, draft.id, name_customer(customer.name, customer.key, customer.id)),
            f"this draft's next step has been due for longer than the grace: {draft.get_status_display()}.",
            START,
        )


def _customers(exam: Examination) -> Iterator[Finding]:
    exam.count(Subscription.objects.count())
    due = BillingDue.objects.filter(~is_parked(), due_at__lte=exam.settled_by)
    due = due.exclude(Exists(_under_way(exam)))
    for row in due.select_related("customer").order_by("pk").iterator(chunk_size=500):
        customer = row.customer
        yield Finding(
            f"Customer {name_customer(customer.name, customer.key, customer.id)}",
            f"they have been due in {row.currency} since {row.due_at:%Y-%m-%d %H:%M} UTC; expected an invoice, a run "
            "in progress or a parked customer, found none.",
            START,
        )


def _under_way(exam: Examination) -> QuerySet[RunCustomer]:
    """Rows of runs that are alive: just made, or held by a worker whose lease has not long run out."""
    alive = RunShard.objects.filter(run=OuterRef("run_id"), lease_until__gte=Now() - exam.grace)
    return RunCustomer.objects.filter(
        Q(run__created_at__gte=exam.settled_by) | Exists(alive),
        ~Q(run__status=RunStatus.DONE),
        customer_id=OuterRef("customer_id"),
        outcome=CustomerOutcome.PENDING,
    )


def _waiting_too_long() -> Iterator[Finding]:
    """Waiting lines that their subscription doesn't say: its next billing lies behind them. Late usage is due by no
    subscription: it goes along with the customer's next invoice (billing rules 6)."""
    unseen = Q(subscription__next_billing_at__isnull=True) | Q(subscription__next_billing_at__gt=F("invoice_at"))
    lines = InvoiceLine.objects.counted().filter(unseen, invoice__status=InvoiceStatus.GATHERING)
    lines = lines.exclude(kind=LineKind.LATE)
    seen: set[uuid.UUID] = set()
    for line in lines.select_related("subscription__customer").order_by("invoice_at").iterator(chunk_size=500):
        subscription = line.subscription
        if subscription is None or subscription.pk in seen:
            continue
        seen.add(subscription.pk)
        upcoming = subscription.next_billing_at
        yield Finding(
            _name(subscription),
            f"its line {line.name} is due on {line.invoice_at:%Y-%m-%d %H:%M} UTC, but its next billing is "
            + ("never." if upcoming is None else f"only on {upcoming:%Y-%m-%d %H:%M} UTC."),
            "Set the subscription's next_billing_at to that time.",
        )


def _due_too_late(exam: Examination) -> Iterator[Finding]:
    """Subscriptions whose customer nobody would look at in time: they are due later than it, or than their rhythm of
    collection says, or never."""
    mine = BillingDue.objects.filter(customer=OuterRef("customer"), currency=OuterRef("currency"))
    unseen = Subscription.objects.filter(~Exists(mine.filter(due_at__lte=OuterRef("next_billing_at"))))
    late = unseen.filter(next_billing_at__isnull=False).annotate(seen_at=Subquery(mine.values("due_at")))
    found = late.select_related("customer").order_by("pk").iterator(chunk_size=_AT_ONCE)
    while subscriptions := list(islice(found, _AT_ONCE)):
        terms = terms_of({subscription.customer_id for subscription in subscriptions})
        for subscription in subscriptions:
            assert subscription.next_billing_at is not None
            rhythm = rhythm_of(terms[subscription.customer_id], subscription.customer)
            expected, seen_at = subscription.next_billing_at, subscription.seen_at
            if expected <= exam.as_of:
                expected = rhythm.collects(expected)
            if seen_at is not None and seen_at <= expected:
                continue
            yield Finding(
                _name(subscription),
                f"it is to be looked at on {expected:%Y-%m-%d %H:%M} UTC, but its customer is due "
                + ("never." if seen_at is None else f"only on {seen_at:%Y-%m-%d %H:%M} UTC."),
                "Set the subscription's updated_at to now: the database makes its customer due again.",
            )


def _charges_unseen() -> Iterator[Finding]:
    """Charges by hand, and late usage, whose customer nobody would look at: no row of theirs is due, in that currency,
    ever."""
    mine = BillingDue.objects.filter(customer=OuterRef("invoice__customer"), currency=OuterRef("currency"))
    waiting = InvoiceLine.objects.counted().filter(
        Q(managed_by=LineManagedBy.MANUAL) | Q(kind=LineKind.LATE),
        ~Exists(mine),
        invoice__status=InvoiceStatus.GATHERING,
    )
    for line in waiting.select_related("invoice__customer").order_by("pk").iterator(chunk_size=_AT_ONCE):
        customer = line.invoice.customer
        named = line.name if line.kind == LineKind.LATE else f"the charge {line.name}, added by hand,"
        yield Finding(
            f"Customer {name_customer(customer.name, customer.key, customer.id)}",
            f"{named} is due on {line.invoice_at:%Y-%m-%d %H:%M} UTC, but they are never looked at.",
            f"Insert a row into invoicing_billingdue for them in {line.currency}, due then.",
        )


def _name(subscription: Subscription) -> str:
    customer = subscription.customer
    return (
        f"Subscription {subscription.name} ({to_text(subscription.id)}) of "
        f"{name_customer(customer.name, customer.key, customer.id)}"
    )
