"""Records the single fields in which a customer differs from their profile."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from core.audit.services.record import record
from core.locks import lock_customers
from customers.errors import CustomerDeleted
from customers.models import Customer, CustomerOverride
from customers.services.workflow_input import check_workflow
from customers.settings_layers import WORKFLOW_FIELDS
from customers.settings_words import SETTING_LABELS, setting_words


@transaction.atomic
def record_own_settings(*, customer: Customer, workflow: Mapping[str, Any], reason: str = "") -> CustomerOverride:
    """Make `workflow` all in which the customer differs; a field that it leaves out follows the profile again.

    The pin stays. Drafts and issued invoices keep their terms. Saying the same again changes nothing. Raises
    `InvalidInput` and `CustomerDeleted`.
    """
    check_workflow(workflow)
    lock_customers([customer.pk])
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if customer.deleted_at is not None:
        raise CustomerDeleted(f"{customer} was deleted, so nothing can be set for them. Nothing was changed.")
    override, _ = CustomerOverride.objects.get_or_create(customer=customer)
    changes: dict[str, list[Any]] = {}
    for name in WORKFLOW_FIELDS:
        before, value = getattr(override, name), workflow.get(name)
        if before != value:
            changes[name] = [_plain(before), _plain(value)]
            setattr(override, name, value)
    if changes:
        override.save()
        said = "; ".join(
            f"{SETTING_LABELS[name].lower()}: {setting_words(name, getattr(override, name))}" for name in changes
        )
        record(
            verb="customer.overridden",
            target=customer,
            did=f"changed what {customer} has of their own ({said})",
            reason=reason,
            changes=changes,
            customer_id=customer.pk,
        )
    return override


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | datetime) else value
