"""Pins a customer to a billing profile."""

from django.db import transaction

from core.audit.services.record import record
from core.locks import lock_customers
from customers.errors import CustomerDeleted, ProfileArchived
from customers.models import BillingProfile, Customer, CustomerOverride


@transaction.atomic
def record_pin(*, customer: Customer, profile: BillingProfile, reason: str) -> CustomerOverride:
    """From now on the customer is billed by `profile`, whatever the default is (billing rules 5).

    Drafts and issued invoices keep their terms; the customer's own overrides stay. Pinning again to the same profile
    changes nothing. Raises `CustomerDeleted` and `ProfileArchived`.
    """
    lock_customers([customer.pk])
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    profile = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if customer.deleted_at is not None:
        raise CustomerDeleted(f"{customer} was deleted, so it can't be pinned. Nothing was changed.")
    if profile.archived_at is not None:
        raise ProfileArchived(f"The profile “{profile}” is archived. {customer} stays where it is: choose another one.")
    override, _ = CustomerOverride.objects.select_related("billing_profile").get_or_create(customer=customer)
    before = override.billing_profile
    if before == profile:
        return override
    override.billing_profile = profile
    override.save(update_fields=["billing_profile", "updated_at"])
    moved = f" (before: “{before}”)" if before else ""
    record(
        verb="customer.pinned",
        target=customer,
        did=f"pinned {customer} to “{profile}”{moved}",
        reason=reason,
        changes={"billing_profile": [str(before) if before else None, str(profile)]},
        customer_id=customer.pk,
    )
    return override
