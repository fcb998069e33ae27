"""Makes a grant count no longer."""

from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem
from customers.models import Customer
from entitlements.access.burndown import counted_from
from entitlements.access.chains import carrier_at, chained_timelines
from entitlements.access.managed import refuse_managed
from entitlements.access.selectors import locked_entitlement
from entitlements.errors import BadGrant
from entitlements.models import Grant


@transaction.atomic
def void_grant(*, grant: Grant, at: datetime | None = None, reason: str = "") -> Grant:
    """Void it from `at` (UTC; None: now) on (billing rules 9): what was used of it stays used. Voiding it again changes
    nothing.

    `at` is neither in the future nor before the current usage period, or `BadGrant`. The grant that a managed
    entitlement comes with is the plan's: `EntitlementManaged` (403).
    """
    if grant.entitlement.managed_in is not None:
        # As whoever settles what subscriptions give does first, so that both wait in one order.
        Customer.objects.select_for_update(no_key=True).get(pk=grant.entitlement.customer_id)
    entitlement = locked_entitlement(grant.entitlement_id)
    locked = Grant.objects.get(pk=grant.pk)
    if locked.voided_at is not None:
        return locked
    if locked.issued:
        refuse_managed(entitlement, "emptied by voiding its own grant")
    now = clock.now()
    moment = now if at is None else at
    # It may have moved along to the terms of another plan, whose usage periods count then: nobody resets these now.
    carrier = carrier_at(entitlement, now)
    if carrier.pk != entitlement.pk:
        carrier = locked_entitlement(carrier.pk)
    timeline = chained_timelines([carrier])[carrier.pk]
    earliest = counted_from(timeline, max(now, timeline.start))
    if moment > now or moment < min(earliest, now):
        message = (
            f"Must be between the start of the current usage period, {earliest:%Y-%m-%d %H:%M} UTC, and now. "
            "Nothing was voided."
        )
        raise BadGrant(message, code="void_out_of_period", problems=[FieldProblem("at", "out_of_period", message)])
    locked.voided_at = moment
    locked.save(update_fields=["voided_at", "updated_at"])
    record(
        verb="grant.voided",
        target=locked,
        did=f"voided the grant of {locked.amount:f} of {entitlement.feature_key} to {entitlement.customer} from "
        f"{moment:%Y-%m-%d %H:%M} UTC on",
        reason=reason,
        customer_id=entitlement.customer_id,
    )
    return locked
