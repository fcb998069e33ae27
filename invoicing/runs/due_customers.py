"""Owns who is due to be closed."""

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from customers.models import Customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.closing.park_customer import is_parked
from invoicing.models import RunCustomer
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
