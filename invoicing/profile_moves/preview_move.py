"""What a move means in money: a customer's next invoice under the old and under the new terms, writing nothing."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import OuterRef, Subquery

from core import clock
from customers.effective_settings import Terms, terms_under
from customers.models import BillingProfile, Customer
from invoicing.choices import InvoiceStatus
from invoicing.closing.close import Computed, compute, late_collected, returns_none, select_due
from invoicing.closing.rhythm import rhythm_of
from invoicing.lifecycle.due_date import due_at
from invoicing.models import InvoiceLine, ProfileMigration
from subscriptions.models import Subscription

MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """An invoice as it would be under some terms. Amounts in its currency, gross and tax; times in UTC."""

    profile: str
    supplier: str
    app: str
    collection_method: str
    total: Decimal
    tax: Decimal
    issue_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class MoneyImpact:
    """The next invoice of one customer in one currency, before and after the move. `cause` says why there is none."""

    customer_id: uuid.UUID
    currency: str
    before: NextInvoice | None
    after: NextInvoice | None
    cause: str = ""

    @property
    def difference(self) -> Decimal | None:
        """What the customer pays more, gross; None where one of the two is missing."""
        return None if self.before is None or self.after is None else self.after.total - self.before.total


def preview_move(*, migration: ProfileMigration, customer_ids: Sequence[uuid.UUID]) -> list[MoneyImpact]:
    """The impact on each of these customers (at most `MOST_AT_ONCE`), by the same computation as the close.

    As of the moment at which each is next invoiced, with the usage known so far. What only comes back before that, by
    credit note, is no invoice, and none of its charges. Who has nothing to bill is left out.
    """
    ids = list(customer_ids)[:MOST_AT_ONCE]
    upcoming = _upcoming(ids)
    before = _side(upcoming, migration.from_profile)
    after = _side(upcoming, migration.to_profile)
    impacts = _impacts(list(upcoming), before, after)
    order = {customer_id: position for position, customer_id in enumerate(ids)}
    return sorted(impacts, key=lambda impact: (order[impact.customer_id], impact.currency))


@dataclass(frozen=True, slots=True)
class _Upcoming:
    """When a customer's next facts and next line fall due, whenever they are collected then."""

    customer: Customer
    wakes_at: datetime
    invoiced_at: datetime


def _upcoming(customer_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, _Upcoming]:
    """Of those who have something to bill. One query."""
    mine = OuterRef("pk")
    upcoming = Subscription.objects.filter(next_billing_at__isnull=False, customer=mine).order_by("next_billing_at")
    waiting = InvoiceLine.objects.counted().filter(invoice__status=InvoiceStatus.GATHERING, invoice__customer=mine)
    waiting = waiting.order_by("invoice_at")
    customers = Customer.objects.filter(pk__in=customer_ids).annotate(
        wakes_at=Subquery(upcoming.values("next_billing_at")[:1]),
        invoiced_at=Subquery(waiting.values("invoice_at")[:1]),
    )
    return {
        customer.pk: _Upcoming(
            customer, customer.wakes_at or customer.invoiced_at, customer.invoiced_at or customer.wakes_at
        )
        for customer in customers
        # A charge by hand needs no subscription.
        if customer.wakes_at is not None or customer.invoiced_at is not None
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """What a close would make under one profile, by customer and currency; and why some can't be billed."""

    invoices: Mapping[tuple[uuid.UUID, str], NextInvoice]
    failures: Mapping[uuid.UUID, str]


def _side(upcoming: Mapping[uuid.UUID, _Upcoming], profile: BillingProfile) -> _Side:
    """What each of these customers is next invoiced under `profile`, at the time at which it collects."""
    terms = terms_under(list(upcoming), profile)
    invoices: dict[tuple[uuid.UUID, str], NextInvoice] = {}
    failures: dict[uuid.UUID, str] = {}
    for (moment, gives_back), together in sorted(_moments(upcoming, terms).items()):
        computed = compute(
            together,
            as_of=moment,
            select=select_due(moment),
            late=late_collected(moment),
            give_back=None if gives_back else returns_none,
            terms={customer_id: terms[customer_id] for customer_id in together},
        )
        invoices |= _invoices(computed, terms, profile, moment)
        failures |= {key: error.message for key, error in computed.failures.items()}
    return _Side(invoices, failures)


def _moments(
    upcoming: Mapping[uuid.UUID, _Upcoming], terms: Mapping[uuid.UUID, Terms]
) -> dict[tuple[datetime, bool], list[uuid.UUID]]:
    """Who is next invoiced when under these terms; and whether what comes back by then comes back there, or has done so
    before."""
    now = clock.now()
    found: dict[tuple[datetime, bool], list[uuid.UUID]] = {}
    for customer_id, each in upcoming.items():
        rhythm = rhythm_of(terms[customer_id], each.customer)
        at = max(rhythm.collects(each.invoiced_at), now)
        found.setdefault((at, max(rhythm.collects(each.wakes_at), now) >= at), []).append(customer_id)
    return found


def _invoices(
    computed: Computed, terms: Mapping[uuid.UUID, Terms], profile: BillingProfile, moment: datetime
) -> dict[tuple[uuid.UUID, str], NextInvoice]:
    invoices = {}
    for close in computed.closes:
        for document in close.invoices:
            theirs: Terms = terms[close.loaded.id]
            totals = document.totals()
            issue_at = document.draft_until or moment
            invoices[(close.loaded.id, document.currency)] = NextInvoice(
                profile=str(profile),
                supplier=str(profile.supplier),
                app=str(profile.app),
                collection_method=theirs.settings.values["collection_method"],
                total=totals["total"],
                tax=totals["taxes_total"],
                issue_at=issue_at,
                due_at=due_at(issue_at, theirs.settings.values["due_after"]),
            )
    return invoices


def _impacts(customer_ids: Sequence[uuid.UUID], before: _Side, after: _Side) -> list[MoneyImpact]:
    impacts = []
    for customer_id, currency in sorted({*before.invoices, *after.invoices}):
        key = (customer_id, currency)
        cause = before.failures.get(customer_id) or after.failures.get(customer_id) or ""
        impacts.append(MoneyImpact(customer_id, currency, before.invoices.get(key), after.invoices.get(key), cause))
    listed = {impact.customer_id for impact in impacts}
    for customer_id in customer_ids:
        cause = before.failures.get(customer_id) or after.failures.get(customer_id) or ""
        if customer_id not in listed and cause:
            impacts.append(MoneyImpact(customer_id, "", None, None, cause))
    return impacts
