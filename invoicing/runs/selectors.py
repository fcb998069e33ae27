"""Reads of billing runs: who is due, and how customers of runs ended."""

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, QuerySet

from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.closing.park_customer import is_parked
from invoicing.models import BillingRun, RunCustomer
from subscriptions.models import Subscription


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
