"""Deleting a customer softly. Whether it may be deleted is for the floors to say that know of open business."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.locks import lock_customers
from customers.models import Customer
from customers.services.attribute_usage import attribute_usage


@transaction.atomic
def record_deletion(*, customer: Customer) -> Customer:
    """Mark the customer as deleted; its key and subjects become free. Deleting it again changes nothing."""
    lock_customers([customer.pk])
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if customer.deleted_at is None:
        customer.deleted_at = clock.now()
        customer.save(update_fields=["deleted_at", "updated_at"])
        attribute_usage(customer=customer, subjects=())
        record(
            verb="customer.deleted", target=customer, did=f"deleted the customer {customer}", customer_id=customer.pk
        )
    return customer
