"""Grants usage on a metered entitlement."""

import uuid

from django.db import transaction

from core import clock
from core.audit.services.record import record
from entitlements.access.facts import timeline_of
from entitlements.access.grant_input import GrantInput, grant_problems, grant_row
from entitlements.errors import BadGrant, EntitlementEnded
from entitlements.models import Entitlement, Grant


@transaction.atomic
def create_grant(
    *, entitlement: Entitlement, grant: GrantInput, grant_id: uuid.UUID | None = None, reason: str = ""
) -> Grant:
    """Grant usage on top of what there is (billing rules 9), also where a subscription manages the entitlement. One
    that begins in the past counts as if it always had been there. With a `grant_id`, a repeat answers the grant that
    was made at first.

    Raises `NotMetered`, `EntitlementEnded`, or `BadGrant` with every field at fault.
    """
    rows = Entitlement.objects.select_for_update(no_key=True, of=("self",)).select_related("customer")
    locked = rows.get(pk=entitlement.pk)
    timeline_of(locked)
    made = None if grant_id is None else locked.grants.filter(pk=grant_id).first()
    if made is not None:
        return made
    now = clock.now()
    if locked.active_to is not None and locked.active_to <= now:
        raise EntitlementEnded(
            f"The entitlement to {locked.feature_key} ended at {locked.active_to:%Y-%m-%d %H:%M} UTC; nothing was "
            "granted. Grants go to active entitlements."
        )
    problems = grant_problems(grant, locked.time_zone)
    if problems:
        said = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise BadGrant(f"Nothing was granted. {said}", problems=problems)
    row = grant_row(locked, grant)
    row.id = grant_id or row.id
    row.save(force_insert=True)
    record(
        verb="grant.created",
        target=row,
        did=f"granted {grant.amount:f} of {locked.feature_key} to {locked.customer} from "
        f"{grant.effective_at:%Y-%m-%d %H:%M} UTC",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return row
