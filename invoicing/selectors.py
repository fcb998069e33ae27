"""Reads of the invoicing floor."""

from datetime import datetime

from django.db.models import Count, Exists, OuterRef, QuerySet

from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.models import BillingRun, ParkedCustomer, RunCustomer
from subscriptions.models import Subscription


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
