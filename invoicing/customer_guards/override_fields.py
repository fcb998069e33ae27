"""Sets the single fields in which a customer differs from their profile, where one person may."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from core.locks import lock_customers
from customers.models import Customer, CustomerOverride
from customers.services.record_own_settings import record_own_settings
from invoicing.tax_guards.tax_switch import noticing_tax_off


@transaction.atomic
def override_fields(*, customer: Customer, workflow: Mapping[str, Any], reason: str = "") -> CustomerOverride:
    """As `record_own_settings`; `ApprovalNeeded` where the customer would be billed without tax by it, and
    they are not being set up by a program."""
    lock_customers([customer.pk])
    with noticing_tax_off(customer):
        return record_own_settings(customer=customer, workflow=workflow, reason=reason)
