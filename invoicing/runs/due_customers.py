"""Owns who is due to be closed."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.closing.park_customer import is_parked
from invoicing.lifecycle.draft_steps import drafts_due
from invoicing.models import BillingDue, RunCustomer


def due_customers(as_of: datetime) -> QuerySet[Customer]:
    """Customers with something due by `as_of`, who are neither parked nor in a run that is under way."""
    return Customer.objects.filter(_something_due(as_of), ~is_parked("pk"), ~_under_way())


def customers_moved_by(as_of: datetime) -> QuerySet[Customer]:
    """Customers for whom something happens by `as_of`, or is kept from it: `due_customers`, the parked ones that would
    be due, and those with a draft whose next step is due."""
    drafts = Exists(drafts_due(as_of).filter(customer_id=OuterRef("pk")))
    return Customer.objects.filter((_something_due(as_of) & ~_under_way()) | Q(drafts))


def _something_due(as_of: datetime) -> Q:
    return Q(Exists(BillingDue.objects.filter(customer_id=OuterRef("pk"), due_at__lte=as_of)))


def _under_way() -> Q:
    return Q(
        Exists(
            RunCustomer.objects.filter(
                customer_id=OuterRef("pk"),
                outcome=CustomerOutcome.PENDING,
                run__status__in=[RunStatus.PENDING, RunStatus.RUNNING],
            )
        )
    )
