"""Lets a customer follow the default profile again."""

from django.db import transaction

from core.audit.services.record import record
from core.locks import lock_customers
from customers.models import Customer, CustomerOverride


@transaction.atomic
def record_unpin(*, customer: Customer, reason: str) -> None:
    """Undo the customer's pin; their own overrides stay. Without a pin nothing changes (billing rules 5)."""
    lock_customers([customer.pk])
    override = (
        CustomerOverride.objects.select_for_update(of=("self",))
        .select_related("billing_profile")
        .filter(customer=customer, billing_profile__isnull=False)
        .first()
    )
    if override is None:
        return
    before = override.billing_profile
    override.billing_profile = None
    override.save(update_fields=["billing_profile", "updated_at"])
    record(
        verb="customer.unpinned",
        target=customer,
        did=f"unpinned {customer} from “{before}”",
        reason=reason,
        changes={"billing_profile": [str(before), None]},
        customer_id=customer.pk,
    )
