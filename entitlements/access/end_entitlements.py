"""Ends what a customer is entitled to by hand, when they are deleted."""

from django.db import transaction
from django.db.models import Q

from core import clock
from core.audit.services.record import record
from customers.models import Customer
from entitlements.access.delete_entitlement import end_entitlement
from entitlements.models import Entitlement


@transaction.atomic
def end_entitlements(*, customer: Customer) -> list[Entitlement]:
    """Delete the customer's entitlements as of now, those that have not begun, too; which these were. What they were
    stays to be asked for. Those that a subscription manages end with it. Repeating it changes nothing.

    In the transaction that deletes the customer, behind their row: nobody can entitle them to more.
    """
    now = clock.now()
    theirs = Entitlement.objects.select_for_update(no_key=True).filter(customer=customer, managed_in=None)
    ended = list(theirs.filter(Q(active_to=None) | Q(active_to__gt=now), deleted_at=None).order_by("id"))
    for row in ended:
        end_entitlement(row, now)
        record(
            verb="entitlement.deleted",
            target=row,
            did=f"deleted the entitlement of {customer} to {row.feature_key}, with the customer",
            customer_id=customer.pk,
        )
    return ended
