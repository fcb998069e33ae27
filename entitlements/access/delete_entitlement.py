"""Takes an entitlement away."""

from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from entitlements.access.managed import refuse_managed
from entitlements.models import Entitlement


@transaction.atomic
def delete_entitlement(*, entitlement: Entitlement) -> Entitlement:
    """End it now; one that has not begun never will. What it was stays to be asked for. Deleting it again changes
    nothing. `EntitlementManaged` (403) where a subscription manages it."""
    locked = Entitlement.objects.select_for_update(no_key=True).get(pk=entitlement.pk)
    if locked.deleted_at is None:
        refuse_managed(locked, "deleted")
        end_entitlement(locked, clock.now())
        record(
            verb="entitlement.deleted",
            target=locked,
            did=f"deleted the entitlement of {locked.customer} to {locked.feature_key}",
            customer_id=locked.customer_id,
        )
    return locked


def end_entitlement(entitlement: Entitlement, now: datetime) -> None:
    """Store that it was deleted at `now`, and ends no later."""
    end = max(now, entitlement.active_from)
    entitlement.active_to = end if entitlement.active_to is None else min(entitlement.active_to, end)
    entitlement.deleted_at = now
    entitlement.save(update_fields=["active_to", "deleted_at", "updated_at"])
