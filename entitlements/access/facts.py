"""Reads an entitlement's rows as the facts that its burn-down goes by."""

from dataclasses import replace
from datetime import datetime

from core.errors import BillingError
from core.periods import Cadence
from entitlements.access.burndown import GrantFacts, ResetFacts, Rhythm, Timeline
from entitlements.access.intervals import cadence_of
from entitlements.choices import EntitlementType
from entitlements.errors import NotMetered
from entitlements.models import Entitlement, Grant


def schedule_of(entitlement: Entitlement) -> Timeline | None:
    """Its usage periods, without grants, from its resets, which should be loaded; None where it has no periods."""
    interval, anchor = entitlement.usage_period, entitlement.usage_period_anchor
    if interval is None or anchor is None:
        return None
    return Timeline(
        start=entitlement.measure_usage_from or entitlement.active_from,
        usage_period=Rhythm(anchor, cadence_stored(interval), entitlement.time_zone),
        resets=tuple(ResetFacts(row.at, row.anchor, row.preserve_overage) for row in entitlement.resets.all()),
        preserve_overage=entitlement.preserve_overage,
    )


def timeline_of(entitlement: Entitlement) -> Timeline:
    """The timeline of a metered entitlement, from its grants and resets, which should be loaded. NotMetered for
    another."""
    schedule = schedule_of(entitlement)
    if schedule is None or entitlement.type != EntitlementType.METERED:
        raise NotMetered(
            f"The entitlement to {entitlement.feature_key} is {entitlement.type}: only a metered one has grants, "
            "resets and a balance. Nothing was changed."
        )
    grants = tuple(_grant(grant, entitlement.time_zone) for grant in entitlement.grants.all())
    return replace(schedule, grants=grants)


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
    """The cadence of an interval that was checked before it was stored. BillingError where it is none all the same."""
    cadence = cadence_of(interval)
    if cadence is None:
        raise BillingError(f"{interval} is stored as an interval, and is none of whole days or whole months.")
    return cadence
