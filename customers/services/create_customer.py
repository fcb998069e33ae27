"""Adding a customer."""

from django.db import IntegrityError, transaction

from core.audit.services.record import record
from customers.errors import KeyTaken
from customers.models import Customer
from customers.services.attribute_usage import attribute_usage
from customers.services.customer_input import CustomerInput, check


@transaction.atomic
def create_customer(*, customer: CustomerInput) -> Customer:
    """Store a new customer with its usage subjects.

    Raises `InvalidInput` for bad fields, `KeyTaken` and `SubjectTaken` (both Conflict) for what others have.
    """
    check(customer)
    created = Customer(**customer.columns())
    save_with_free_key(created)
    attribute_usage(customer=created, subjects=customer.usage_subjects)
    record(verb="customer.created", target=created, did=f"created the customer {created}", customer_id=created.pk)
    return created


def save_with_free_key(customer: Customer) -> None:
    """Save; `KeyTaken` where another customer that is not deleted has the key."""
    others = Customer.objects.filter(key=customer.key, deleted_at=None).exclude(pk=customer.pk)
    if customer.key and others.exists():
        raise _taken(customer)
    try:
        with transaction.atomic():
            customer.save()
    except IntegrityError as error:  # taken in the same moment
        raise _taken(customer) from error


def _taken(customer: Customer) -> KeyTaken:
    return KeyTaken(f"Another customer has the key {customer.key}. Nothing was saved. Use another key.")
