"""Owns who is due to be closed."""

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.closing.park_customer import is_parked
from invoicing.lifecycle.draft_steps import drafts_due
from invoicing.models import BillingDue, RunCustomer


def due_customers(as_of: datetime) -> QuerySet[Customer]:
    """Customers with something due by `as_of`, who are neither parked nor in a run that is under way."""
    return Customer.objects.filter(pk__in=due_customer_ids(as_of))


def due_customer_ids(as_of: datetime) -> QuerySet[BillingDue, UUID]:
    """The ids of `due_customers`, each once, in no order.

    What is asked each second starts from the times and never from the customers: it costs what is due, however
    PostgreSQL guesses how much that is.
    """
    due = BillingDue.objects.filter(~is_parked(), ~_under_way("customer_id"), due_at__lte=as_of)
    return due.order_by().values_list("customer_id", flat=True).distinct()


def customers_moved_by(as_of: datetime) -> QuerySet[Customer]:
    """Customers for whom something happens by `as_of`, or is kept from it: `due_customers`, the parked ones that would
    be due, and those with a draft whose next step is due."""
    drafts = Exists(drafts_due(as_of).filter(customer_id=OuterRef("pk")))
    return Customer.objects.filter((_something_due(as_of) & ~_under_way("pk")) | Q(drafts))


def _something_due(as_of: datetime) -> Q:
    return Q(Exists(BillingDue.objects.filter(customer_id=OuterRef("pk"), due_at__lte=as_of)))


def _under_way(customer_field: str) -> Q:
    return Q(
        Exists(
            RunCustomer.objects.filter(
                customer_id=OuterRef(customer_field),
                outcome=CustomerOutcome.PENDING,
                run__status__in=[RunStatus.PENDING, RunStatus.RUNNING],
            )
        )
    )
