"""The second step of a safe move: pins everybody who follows the old default to it, before another takes its place."""

from django.db import transaction

from core import clock
from core.audit.services.record_many import Act, record_many
from core.errors import Conflict
from core.locks import lock_customers
from customers.models import BillingProfile, Customer, CustomerOverride

BATCH_SIZE = 250


def pin_unpinned(*, profile: BillingProfile, reason: str = "") -> int:
    """Pin every customer who follows `profile`, the default, to it; how many. Nobody's terms change.

    Batch by batch, each a transaction, so it can be repeated and goes on where it stopped. Conflict where `profile`
    is not the default (any more): following it would be a move then.
    """
    pinned = 0
    while batch := _pin_some(profile, reason):
        pinned += batch
    return pinned


@transaction.atomic
def _pin_some(profile: BillingProfile, reason: str) -> int:
    unpinned = Customer.objects.filter(deleted_at=None, billing_override__billing_profile__isnull=True).order_by("id")
    customers = {customer.pk: customer for customer in unpinned[:BATCH_SIZE]}
    # Customers before profiles, as in every pin; the profile's row then keeps another from becoming the default.
    lock_customers(customers)
    profile = BillingProfile.objects.select_for_update().get(pk=profile.pk)
    if not profile.is_default:
        raise Conflict(
            f"“{profile}” is not the default profile, so nobody follows it without a pin. Nobody else was pinned.",
            code="not_the_default",
        )
    # Read again behind the locks: a pin may have taken some of them meanwhile.
    known = CustomerOverride.objects.select_for_update().filter(customer_id__in=list(customers))
    before = {row.customer_id: row.billing_profile_id for row in known}
    ids = [pk for pk in customers if before.get(pk) is None]
    CustomerOverride.objects.filter(customer_id__in=[pk for pk in ids if pk in before]).update(
        billing_profile=profile, updated_at=clock.now()
    )
    CustomerOverride.objects.bulk_create(
        CustomerOverride(customer_id=pk, billing_profile=profile) for pk in ids if pk not in before
    )
    record_many(
        verb="customer.pinned",
        acts=[_act(customers[pk], profile) for pk in ids],
        reason=reason,
    )
    return len(customers)


def _act(customer: Customer, profile: BillingProfile) -> Act:
    return Act(
        target=customer,
        did=f"pinned {customer} to “{profile}”",
        changes={"billing_profile": [None, str(profile)]},
        customer_id=customer.pk,
    )
