"""Begins a new usage period by hand."""

from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem
from entitlements.access.burndown import counted_from
from entitlements.access.chains import chained_timelines
from entitlements.access.facts import timeline_of
from entitlements.access.selectors import locked_entitlement
from entitlements.errors import BadReset, EntitlementEnded, ResetTaken
from entitlements.models import Entitlement, EntitlementReset


@transaction.atomic
def reset_usage(
    *,
    entitlement: Entitlement,
    effective_at: datetime | None = None,
    retain_anchor: bool = False,
    preserve_overage: bool | None = None,
    reason: str = "",
) -> EntitlementReset:
    """Start a new usage period at `effective_at` (UTC; None: now) and roll grants over (billing rules 9). Later periods
    are anchored there, or where they were with `retain_anchor`. `preserve_overage` None: as the entitlement has it.

    `effective_at` lies in the current usage period, after its start and not in the future: `BadReset` else, and
    `ResetTaken` where usage was reset at that very moment. NotMetered, `EntitlementEnded`.
    """
    locked = locked_entitlement(entitlement.pk)
    own = timeline_of(locked)
    now = clock.now()
    if not (locked.active_from <= now and (locked.active_to is None or now < locked.active_to)):
        raise EntitlementEnded(f"The entitlement to {locked.feature_key} is not active; nothing was reset.")
    moment = now if effective_at is None else effective_at
    if any(reset.at == moment for reset in own.resets):
        raise ResetTaken(f"Usage was reset at {moment:%Y-%m-%d %H:%M:%S} UTC already; nothing was reset again.")
    since = counted_from(chained_timelines([locked])[locked.pk], now)
    if moment > now or moment < since or moment < locked.active_from:
        earliest = max(since, locked.active_from)
        message = f"Must be between the last reset, {earliest:%Y-%m-%d %H:%M} UTC, and now. Nothing was reset."
        raise BadReset(message, problems=[FieldProblem("effectiveAt", "out_of_period", message)])
    row = EntitlementReset.objects.create(
        entitlement=locked,
        at=moment,
        anchor=None if retain_anchor else moment,
        preserve_overage=preserve_overage,
        created_at=now,
    )
    locked.save(update_fields=["updated_at"])
    record(
        verb="entitlement.reset",
        target=locked,
        did=f"reset the usage of {locked.feature_key} by {locked.customer} at {moment:%Y-%m-%d %H:%M} UTC",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return row
