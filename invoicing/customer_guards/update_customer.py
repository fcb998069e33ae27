"""Replacing what is known of a customer whose currency open business may bind."""

from contextlib import nullcontext
from dataclasses import replace

from django.db import transaction

from core.audit.actors import current_actor
from core.errors import FieldProblem
from core.locks import lock_customers
from customers.models import Customer
from customers.services.customer_input import CustomerInput, check
from customers.services.record_update import record_update
from invoicing.customer_guards.delete_customer import forget_if_never_subscribed, what_is_open
from invoicing.errors import OpenBusiness
from invoicing.tax_guards.tax_switch import never_subscribed, noticing_tax_off


@transaction.atomic
def update_customer(*, customer: Customer, replacement: CustomerInput) -> Customer:
    """Replace what is known of the customer. While anything is open, the currency stays (billing rules 1).

    Left out, it is kept then, since the caller may never have set it: the first subscription did. Another one raises
    `OpenBusiness` (Conflict), and nothing is changed. Subjects that are given up take no usage along, unless the
    customer never subscribed to anything: it would be billed to nobody.
    """
    lock_customers([customer.pk])
    stored = Customer.objects.get(pk=customer.pk)
    check(replacement, before=stored)
    bound = stored.currency
    if bound and replacement.currency != bound and (open_business := what_is_open(customer)):
        if replacement.currency is not None:
            message = f"{customer} is billed in {bound} and has {open_business}, so the currency can't change now."
            problem = FieldProblem("currency", "currency_in_use", message)
            raise OpenBusiness(f"{message} Nothing was changed.", problems=[problem])
        replacement = replace(replacement, currency=bound)
    with noticing_tax_off(customer) if _is_typed_for(customer) else nullcontext():
        updated = record_update(customer=customer, replacement=replacement)
    forget_if_never_subscribed(updated)
    return updated


def _is_typed_for(customer: Customer) -> bool:
    """Whether one person says it, at the desk or by a key of theirs, of a customer who was or is billed; a program
    passes on what the customer said."""
    return not current_actor().is_program and not never_subscribed(customer)
