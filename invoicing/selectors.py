"""Reads of the invoicing floor."""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Prefetch, QuerySet

from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.models import BillingRun, Invoice, InvoiceDetailedLine, InvoiceLine, ParkedCustomer, RunCustomer
from subscriptions.models import Subscription

DUE_SOON = timedelta(days=7)


def is_parked(customer_field: str = "customer_id") -> Exists:
    """Whether the customer that the outer query's `customer_field` names is parked."""
    return Exists(ParkedCustomer.objects.filter(customer_id=OuterRef(customer_field), released_at__isnull=True))


def due_customers(as_of: datetime) -> QuerySet[Customer]:
    """Customers with something due by `as_of`, who are neither parked nor in a run that is under way."""
    due = Subscription.objects.filter(customer_id=OuterRef("pk"), next_billing_at__lte=as_of)
    under_way = RunCustomer.objects.filter(
        customer_id=OuterRef("pk"),
        outcome=CustomerOutcome.PENDING,
        run__status__in=[RunStatus.PENDING, RunStatus.RUNNING],
    )
    return Customer.objects.filter(Exists(due), ~is_parked("pk"), ~Exists(under_way))


def outcome_counts(run: BillingRun) -> dict[str, int]:
    """How many customers of a run ended how; one query."""
    rows = run.customers.order_by().values_list("outcome").annotate(Count("id"))
    return dict(rows)


def outcomes_of_runs(run_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """How many customers of each run ended how; one query for all."""
    found: dict[uuid.UUID, dict[str, int]] = {}
    rows = RunCustomer.objects.filter(run_id__in=run_ids).order_by().values_list("run_id", "outcome")
    for run_id, outcome, number in rows.annotate(Count("id")):
        found.setdefault(run_id, {})[outcome] = number
    return found


def invoices_for_display(*, lines: bool, deleted_lines: bool = False) -> QuerySet[Invoice]:
    """All invoices with their app; with `lines`, each has `shown_lines`, and each of those `shown_details`.

    One query, three with lines, for any number of invoices. What gathering invoices come to is not stored: see
    `invoicing.live`.
    """
    invoices = Invoice.objects.select_related("app__stripe_account")
    if not lines:
        return invoices
    shown = InvoiceLine.objects.annotate(phase_id=F("revision__phase_id")).order_by("position", "period_start", "id")
    if not deleted_lines:
        shown = shown.filter(deleted_at=None)
    details = Prefetch("detailed_lines", InvoiceDetailedLine.objects.order_by("position"), to_attr="shown_details")
    return invoices.prefetch_related(Prefetch("lines", shown.prefetch_related(details), to_attr="shown_lines"))
