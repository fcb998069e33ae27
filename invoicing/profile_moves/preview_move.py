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
from invoicing.closing.close import Computed, compute, select_due
from invoicing.lifecycle.due_date import due_at
from invoicing.models import BillingDue, InvoiceLine, ProfileMigration

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
    impacts: list[MoneyImpact] = []
    for (moment, give_back), together in sorted(_moments(ids).items()):
        before = _computed(together, migration.from_profile, moment, give_back)
        after = _computed(together, migration.to_profile, moment, give_back)
        impacts += _impacts(together, before, after)
    order = {customer_id: position for position, customer_id in enumerate(ids)}
    return sorted(impacts, key=lambda impact: (order[impact.customer_id], impact.currency))


def _moments(customer_ids: Sequence[uuid.UUID]) -> dict[tuple[datetime, bool], list[uuid.UUID]]:
    """Who is next invoiced when; and whether what comes back by then comes back there, or has done so before. One
    query."""
    now, mine = clock.now(), OuterRef("pk")
    upcoming = BillingDue.objects.filter(customer=mine).order_by("due_at")
    waiting = InvoiceLine.objects.filter(
        invoice__status=InvoiceStatus.GATHERING, invoice__customer=mine, deleted_at__isnull=True
    ).order_by("invoice_at")
    rows = (
        Customer.objects.filter(pk__in=customer_ids)
        .order_by()
        .values_list("pk", Subquery(upcoming.values("due_at")[:1]), Subquery(waiting.values("invoice_at")[:1]))
    )
    found: dict[tuple[datetime, bool], list[uuid.UUID]] = {}
    for customer_id, wakes_at, invoiced_at in rows:
        if wakes_at is not None:
            at = max(invoiced_at or wakes_at, now)
            found.setdefault((at, max(wakes_at, now) >= at), []).append(customer_id)
    return found


@dataclass(frozen=True, slots=True)
class _Side:
    """What a close would make under one profile, by customer and currency; and why some can't be billed."""

    invoices: Mapping[tuple[uuid.UUID, str], NextInvoice]
    failures: Mapping[uuid.UUID, str]


def _computed(customer_ids: Sequence[uuid.UUID], profile: BillingProfile, moment: datetime, give_back: bool) -> _Side:
    terms = terms_under(customer_ids, profile)
    computed: Computed = compute(
        customer_ids, as_of=moment, select=select_due(moment), give_back=give_back, terms=terms
    )
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
    return _Side(invoices, {key: error.message for key, error in computed.failures.items()})


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
