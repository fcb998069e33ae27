"""Puts another entitlement in the place of one."""

from django.db import transaction

from core import clock
from core.errors import FieldProblem
from customers.models import Customer
from entitlements.access.create_entitlement import create_entitlement, refusal
from entitlements.access.delete_entitlement import end_entitlement
from entitlements.access.entitlement_input import EntitlementInput, feature_of
from entitlements.access.managed import refuse_managed
from entitlements.errors import EntitlementEnded
from entitlements.models import Entitlement


@transaction.atomic
def override_entitlement(*, entitlement: Entitlement, replacement: EntitlementInput) -> Entitlement:
    """End `entitlement` now and begin `replacement`, to the same feature, at that moment (billing rules 9).

    Its usage and grants are its own: `measure_usage_from` says what of earlier usage counts. Raises
    `EntitlementManaged` (403) where a subscription manages it, `EntitlementEnded` where it is over, `BadEntitlement`
    for terms that can't be.
    """
    # The customer first, as whoever deletes them or settles what their subscriptions give does.
    Customer.objects.select_for_update(no_key=True).get(pk=entitlement.customer_id)
    locked = Entitlement.objects.select_for_update(no_key=True).get(pk=entitlement.pk)
    refuse_managed(locked, "overridden")
    now = clock.now()
    if locked.active_to is not None and locked.active_to <= now:
        raise EntitlementEnded(
            f"The entitlement to {locked.feature_key} ended at {locked.active_to:%Y-%m-%d %H:%M} UTC; nothing was "
            "changed. Create another one."
        )
    feature, _ = feature_of(replacement)
    if feature is not None and feature.key != locked.feature_key:
        message = f"This entitlement is to {locked.feature_key}: an override stays with its feature."
        raise refusal([FieldProblem("featureKey", "another_feature", message)])
    end_entitlement(locked, now)
    return create_entitlement(
        customer=locked.customer, entitlement=replacement, active_from=max(now, locked.active_from)
    )
