"""Replacing what is known of a customer."""

from typing import Any

from django.db import transaction

from core.audit.services.record import record
from core.locks import lock_customers
from customers.errors import CustomerDeleted
from customers.models import Customer
from customers.services.attribute_usage import attribute_usage
from customers.services.create_customer import save_with_free_key
from customers.services.customer_input import CustomerInput, check


@transaction.atomic
def record_update(*, customer: Customer, replacement: CustomerInput) -> Customer:
    """Replace every field; what `replacement` leaves out is cleared. Saying the same again changes nothing.

    Existing drafts and issued invoices keep their copies. Raises `InvalidInput`, `KeyTaken`, `SubjectTaken`,
    `CustomerDeleted`.
    """
    lock_customers([customer.pk])
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    check(replacement, before=customer)
    if customer.deleted_at:
        raise CustomerDeleted(f"The customer {customer} was deleted and can't be changed. Create it anew.")
    changes: dict[str, list[Any]] = {}
    for name, value in replacement.columns().items():
        before = getattr(customer, name)
        if before != value:
            changes[name] = [before, value]
            setattr(customer, name, value)
    if changes:
        save_with_free_key(customer)
    if attribute_usage(customer=customer, subjects=replacement.usage_subjects):
        changes["usage_subjects"] = [None, list(replacement.usage_subjects)]
    if changes:
        did = f"changed the customer {customer} ({', '.join(sorted(changes)).replace('_', ' ')})"
        record(verb="customer.updated", target=customer, did=did, changes=changes, customer_id=customer.pk)
    return customer
