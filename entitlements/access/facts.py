"""Reads an entitlement's rows as the facts that its burn-down goes by."""

from datetime import datetime

from core.errors import BillingError
from core.periods import Cadence
from entitlements.access.burndown import GrantFacts, ResetFacts, Rhythm, Timeline
from entitlements.access.intervals import cadence_of
from entitlements.errors import NotMetered
from entitlements.models import Entitlement, Grant


def timeline_of(entitlement: Entitlement) -> Timeline:
    """The timeline of a metered entitlement, from its grants and resets, which should be loaded. NotMetered for
    another."""
    start, interval, anchor = (
        entitlement.measure_usage_from,
        entitlement.usage_period,
        entitlement.usage_period_anchor,
    )
    if start is None or interval is None or anchor is None:
        raise NotMetered(
            f"The entitlement to {entitlement.feature_key} is {entitlement.type}: only a metered one has grants, "
            "resets and a balance. Nothing was changed."
        )
    return Timeline(
        start=start,
        usage_period=Rhythm(anchor, cadence_stored(interval), entitlement.time_zone),
        grants=tuple(_grant(grant, entitlement.time_zone) for grant in entitlement.grants.all()),
        resets=tuple(ResetFacts(row.at, row.anchor, row.preserve_overage) for row in entitlement.resets.all()),
        preserve_overage=entitlement.preserve_overage,
    )


def next_recurrence(grant: Grant, zone: str, now: datetime) -> datetime | None:
    """When `grant` is renewed next; None where it never is."""
    facts = _grant(grant, zone)
    if facts.recurrence is None or facts.end <= now:
        return None
    following = facts.recurrence.period(max(now, facts.effective_at)).end
    return following if following < facts.end else None


def _grant(grant: Grant, zone: str) -> GrantFacts:
    rhythm = None
    if grant.recurrence is not None and grant.recurrence_anchor is not None:
        rhythm = Rhythm(grant.recurrence_anchor, cadence_stored(grant.recurrence), zone)
    return GrantFacts(
        id=grant.pk,
        amount=grant.amount,
        effective_at=grant.effective_at,
        priority=grant.priority,
        created=grant.created_at,
        expires_at=grant.expires_at,
        voided_at=grant.voided_at,
        max_rollover=grant.max_rollover,
        min_rollover=grant.min_rollover,
        recurrence=rhythm,
    )


def cadence_stored(interval: str) -> Cadence:
    """The cadence of an interval that was checked before it was stored."""
    cadence = cadence_of(interval)
    if cadence is None:
        raise BillingError(f"{interval} is stored as an interval, and is none of whole days or whole months.")
    return cadence
