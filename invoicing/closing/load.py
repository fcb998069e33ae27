"""Loads a batch of customers for the close: a constant number of queries for any number of them."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Q, TextField
from django.db.models.functions import Cast

from core.many_ids import among
from core.money import ZERO
from customers.attribution import Attribution
from customers.choices import TaxBehavior
from customers.effective_settings import Terms, terms_of
from customers.models import Customer
from customers.selectors import attributions_of
from entitlements.features.selectors import features_by_id
from entitlements.models import Feature
from invoicing.choices import InvoiceStatus, LineKind, LineStatus, WindowKind
from invoicing.closing.late_lines import LateLine, load_late_lines
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.rhythm import Rhythm, rhythm_of
from invoicing.models import BilledWindow, CreditNoteLine, Invoice, InvoiceLine, TaxRate
from invoicing.tax import RateFacts, TaxTerms
from invoicing.windows.billed_and_waiting import Billed, BilledLine, PendingLine
from invoicing.windows.components import components_from_text
from subscriptions.lifecycle.facts import load_subscriptions
from subscriptions.models import Subscription
from subscriptions.schedule.facts import LoadedSubscription


@dataclass(slots=True)
class LoadedCustomer:
    """One customer with everything that a close of them depends on."""

    id: uuid.UUID
    customer: Customer
    terms: Terms
    subjects: tuple[Attribution, ...] = ()
    tax_rates: tuple[RateFacts, ...] = ()
    subscriptions: list[LoadedSubscription] = field(default_factory=list)
    gathering: dict[str, uuid.UUID] = field(default_factory=dict)
    pending: list[PendingLine] = field(default_factory=list)
    # Charges by hand that wait: of no subscription, and planned by nothing.
    manual: list[ManualLine] = field(default_factory=list)
    late: list[LateLine] = field(default_factory=list)
    billed: dict[tuple[uuid.UUID, datetime], Billed] = field(default_factory=dict)

    def terms_for(self, subscription_id: uuid.UUID) -> Terms:
        """The terms by which a subscription is billed: what differs in them stands on invoices of its own (billing
        rules 5). The customer's, as long as no subscription has terms of its own."""
        return self.terms

    def collects(self, subscription_id: uuid.UUID, due_at: datetime) -> datetime:
        """When what a subscription lets fall due at `due_at` is collected."""
        return rhythm_of(self.terms_for(subscription_id), self.customer).collects(due_at)


@dataclass(slots=True)
class Batch:
    customers: list[LoadedCustomer]
    features: dict[uuid.UUID, Feature]


def load_batch(
    customer_ids: Collection[uuid.UUID],
    *,
    whole_history: bool = False,
    since: Mapping[uuid.UUID, datetime] | None = None,
    terms: Mapping[uuid.UUID, Terms] | None = None,
) -> Batch:
    """Everything that is needed to close these customers, in the order of their ids. Eleven queries, and
    one more where charges by hand wait.

    With `terms`, as if the customers had those. With `whole_history` as if nothing had ever been reconciled: every
    subscription, from its start; with `since`, a time for each customer, as if nothing had been reconciled from then
    on. Twelve queries where adjustments for late usage wait.
    """
    if terms is None:
        terms = terms_of(customer_ids)
    customers = {
        customer.id: LoadedCustomer(customer.id, customer, terms[customer.id])
        for customer in among(Customer.objects.order_by("id"), "id", customer_ids)
    }
    rates = tax_rates({loaded.customer.country for loaded in customers.values()})
    for loaded_customer in customers.values():
        loaded_customer.tax_rates = rates.get(loaded_customer.customer.country, ())
    for customer_id, attributions in attributions_of(customer_ids).items():
        customers[customer_id].subjects = attributions

    feature_ids: set[uuid.UUID] = set()
    begun: dict[uuid.UUID, datetime] = {}
    owner: dict[uuid.UUID, LoadedCustomer] = {}
    for loaded in load_subscriptions(among(Subscription.objects.all(), "customer_id", customer_ids)):
        if whole_history:
            loaded = replace(loaded, reconcile_from=loaded.facts.start)
        elif since is not None:
            back = max(loaded.facts.start, min(loaded.reconcile_from, since[loaded.facts.customer_id]))
            loaded = replace(loaded, reconcile_from=back)
        elif (
            loaded.next_billing_at is None
            and loaded.facts.end is not None
            and loaded.reconcile_from >= loaded.facts.end
        ):
            continue
        mine = customers[loaded.facts.customer_id]
        mine.subscriptions.append(loaded)
        for item in loaded.facts.items:
            begun[item.id], owner[item.id] = loaded.reconcile_from, mine
            feature_ids.update(rev.feature_id for rev in item.revisions if rev.feature_id is not None)

    gathering = among(Invoice.objects.filter(status=InvoiceStatus.GATHERING).order_by(), "customer_id", customer_ids)
    for invoice_id, customer_id, currency in gathering.values_list("id", "customer_id", "currency"):
        customers[customer_id].gathering[currency] = invoice_id
    _load_pending(customers)
    _load_billed(begun, owner)
    return Batch(list(customers.values()), features_by_id(feature_ids))


def tax_rates(countries: set[str]) -> dict[str, tuple[RateFacts, ...]]:
    """The tax rates of these countries (ISO codes), past and future, by country. One query."""
    found: dict[str, list[RateFacts]] = defaultdict(list)
    rows = TaxRate.objects.filter(country__in=countries - {""}).values_list(
        "country", "region", "category", "rate", "name", "valid_from", "valid_to"
    )
    for row in rows:
        found[row[0]].append(RateFacts(*row))
    return {country: tuple(rates) for country, rates in found.items()}


def _load_pending(customers: dict[uuid.UUID, LoadedCustomer]) -> None:
    owner = {invoice_id: loaded for loaded in customers.values() for invoice_id in loaded.gathering.values()}
    rows = among(InvoiceLine.objects.filter(deleted_at__isnull=True).order_by(), "invoice_id", owner).values_list(
        "id",
        "invoice_id",
        "currency",
        "item_id",
        "revision_id",
        "window_id",
        "period_start",
        "period_end",
        "invoice_at",
        Cast("components", TextField()),
        "status",
        "kind",
    )
    manual: list[uuid.UUID] = []
    late: dict[uuid.UUID, LoadedCustomer] = {}
    for line_id, invoice_id, currency, item_id, revision_id, window_id, start, end, due_at, wire, status, kind in rows:
        if kind == LineKind.LATE:
            late[line_id] = owner[invoice_id]
            continue
        if item_id is None and window_id is None:
            manual.append(line_id)
            continue
        owner[invoice_id].pending.append(
            PendingLine(
                id=line_id,
                invoice_id=invoice_id,
                currency=currency,
                item_id=item_id,
                revision_id=revision_id,
                window_id=window_id,
                start=start,
                end=end,
                invoice_at=due_at,
                components=components_from_text(wire),
                is_group=status == LineStatus.SPLIT,
            )
        )
    for line in load_late_lines(late):
        late[line.id].late.append(line)
    if manual:
        _load_manual(manual, owner)


def _load_manual(line_ids: list[uuid.UUID], owner: dict[uuid.UUID, LoadedCustomer]) -> None:
    rhythms: dict[uuid.UUID, Rhythm] = {}
    for row in InvoiceLine.objects.counted().filter(pk__in=line_ids).order_by("invoice_at", "id").values():
        mine = owner[row["invoice_id"]]
        rhythm = rhythms.setdefault(mine.id, rhythm_of(mine.terms, mine.customer))
        mine.manual.append(ManualLine(row, rhythm.collects(row["invoice_at"])))


def _load_billed(since: dict[uuid.UUID, datetime], owner: dict[uuid.UUID, LoadedCustomer]) -> None:
    """The settled windows that may still differ from the facts, with the lines that charged for them. Four queries."""
    if not since:
        return
    unsettled = BilledWindow.objects.filter(Q(span__endswith__gt=min(since.values())) | Q(span__upper_inf=True))
    windows = among(unsettled.order_by(), "item_id", since).values_list("id", "item_id", "span", "kind")
    by_id: dict[uuid.UUID, Billed] = {}
    for window_id, item_id, span, kind in windows:
        if span.upper is not None and span.upper <= since[item_id]:
            continue
        billed = Billed(window_id, span.lower, span.upper, is_charge=kind == WindowKind.CHARGE)
        owner[item_id].billed[(item_id, span.lower)] = by_id[window_id] = billed
    if by_id:
        _load_billed_lines(by_id)


def _load_billed_lines(windows: dict[uuid.UUID, Billed]) -> None:
    """The standing lines of these windows, by id: own ones, amendments, and what was credited of them.

    What was on a voided invoice has ended with it, also where the window itself stands on another one.
    """
    gone = [InvoiceStatus.GATHERING, InvoiceStatus.VOIDED]
    standing = InvoiceLine.objects.counted().exclude(invoice__status__in=gone)
    rows = (
        among(standing, "window_id", windows)
        .exclude(kind=LineKind.CREDIT)
        .order_by("id")
        .values_list(
            "id",
            "invoice_id",
            "window_id",
            "amends_id",
            "invoice__issued_at",
            "invoice__status",
            Cast("components", TextField()),
            "amount",
            "charges_total",
            "discounts_total",
            "tax_rate",
            "tax_name",
            "tax_behavior",
            "revision_id",
        )
    )
    lines: dict[uuid.UUID, BilledLine] = {}
    own: dict[uuid.UUID, int] = {}
    for line_id, invoice_id, window_id, amends_id, issued_at, status, wire, *money, rate, name, behavior, by in rows:
        tax = None if rate is None else TaxTerms(rate, behavior == TaxBehavior.INCLUSIVE, name)
        amount, charges, discounts = money
        net = amount + charges - discounts
        # What was waived with a deleted draft was never charged: nothing of it can come back.
        waived = status == InvoiceStatus.DELETED
        left, on_draft = ZERO if waived else net, issued_at is None and not waived
        components = components_from_text(wire)
        line = BilledLine(line_id, invoice_id, components, net, left, tax, on_draft, window_id)
        lines[line_id] = line
        window = windows[window_id]
        if amends_id is None:
            window.lines.insert(own.setdefault(window_id, 0), line)
            own[window_id] += 1
            window.on_draft, window.revision_id = on_draft, by
        else:
            window.lines.append(line)
            if window.revision_id is None:
                # What had billed it is voided: what was added to it stands.
                window.revision_id = by
    credits = among(standing.filter(kind=LineKind.CREDIT).order_by(), "amends_id", lines)
    for line_id, amount in credits.values_list("amends_id", "amount"):
        lines[line_id].net_left += amount
    notes = among(CreditNoteLine.objects.order_by(), "invoice_line_id", lines)
    for line_id, amount in notes.values_list("invoice_line_id", "amount"):
        lines[line_id].net_left -= amount
