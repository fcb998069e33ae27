"""What may not be done by hand to an entitlement that a subscription manages (billing rules 9)."""

from core.ids import to_text
from entitlements.errors import EntitlementManaged
from entitlements.models import Entitlement


def refuse_managed(entitlement: Entitlement, done: str) -> None:
    """Raise `EntitlementManaged` (403), which names what to do instead, where a subscription manages it."""
    if entitlement.managed_in is None:
        return
    subscription = to_text(entitlement.managed_in)
    raise EntitlementManaged(
        f"The entitlement to {entitlement.feature_key} can't be {done}: the subscription {subscription} manages it. "
        "Nothing was changed. Use change to move the subscription to another plan, or edit to alter its terms.",
        context={"subscription_id": subscription},
    )
