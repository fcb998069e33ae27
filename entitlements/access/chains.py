"""Owns how a burn-down goes on from one managed entitlement to the next, when a change of plan or an edit replaces its
terms.

The amount that the terms issue is replaced: for the whole usage period where that period goes on, so that 3 used of
50,000 become 3 used of 550,000 (billing rules 9). What staff granted moves along with what is left of it: its burn-down
runs on from the first entitlement of the chain. All of it is read from the rows each time, so that a change that is
only scheduled, usage that comes late and a grant that is voided all count as they should.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from django.db.models import Prefetch

from core.many_ids import among
from entitlements.access.burndown import GrantFacts, ResetFacts, Timeline, all_resets, counted_from
from entitlements.access.facts import timeline_of
from entitlements.models import Entitlement, Grant

_TICK = datetime.resolution


def chained_timelines(entitlements: Iterable[Entitlement]) -> dict[uuid.UUID, Timeline]:
    """The timeline of each of these metered entitlements, with what it takes over from those that it continues. They
    should have their grants and resets loaded. Three queries more where any continues another."""
    entitlements = list(entitlements)
    earlier = _earlier(entitlements)
    return {each.pk: _timeline(each, earlier) for each in entitlements}


def carried_grants(entitlement: Entitlement) -> list[Grant]:
    """What staff granted on those that `entitlement` continues, voided and expired ones too. Three queries."""
    found: list[Grant] = []
    earlier = _earlier([entitlement])
    current = entitlement
    while current.continues_id is not None and current.continues_id in earlier:
        current = earlier[current.continues_id]
        found += [grant for grant in current.grants.all() if not grant.issued]
    return found


def _earlier(entitlements: list[Entitlement]) -> dict[uuid.UUID, Entitlement]:
    """All managed entitlements of the customers of those that continue another one, by id."""
    customers = {each.customer_id for each in entitlements if each.continues_id is not None}
    if not customers:
        return {}
    grants = Prefetch("grants", Grant.objects.order_by("created_at", "id"))
    rows = Entitlement.objects.filter(managed_in__isnull=False).prefetch_related(grants, "resets")
    return {row.pk: row for row in among(rows, "customer_id", customers)}


def _timeline(entitlement: Entitlement, earlier: Mapping[uuid.UUID, Entitlement]) -> Timeline:
    own = timeline_of(entitlement)
    before = earlier.get(entitlement.continues_id) if entitlement.continues_id is not None else None
    if before is None or before.measure_usage_from is None:
        return own
    past = _timeline(before, earlier)
    begins = own.start
    if begins < entitlement.active_from:
        # Its usage period began before it did: no earlier than that of the one before, which staff may have reset.
        begins = max(begins, counted_from(past, max(entitlement.active_from - _TICK, past.start)))
    return _joined(
        past, own, begins, {grant.pk for row in earlier.values() for grant in row.grants.all() if grant.issued}
    )


def _joined(past: Timeline, own: Timeline, begins: datetime, issued: set[uuid.UUID]) -> Timeline:
    """`past` up to `begins`, and `own` from there on. What was `issued` by any terms of before ends there."""
    grants = [_ended(grant, begins) if grant.id in issued else grant for grant in past.grants]
    mine = [replace(grant, effective_at=max(grant.effective_at, begins)) for grant in own.grants]
    resets = [reset for reset in past.resets if reset.at < begins]
    start, usage_period = past.start, past.usage_period
    if begins > start:
        if past.preserve_overage != own.preserve_overage:
            by_hand = {reset.at for reset in resets}
            kept = all_resets(past, start, begins)
            resets += [ResetFacts(at, None, keeps) for at, keeps in kept.items() if at not in by_hand]
            resets.sort(key=lambda reset: reset.at)
        resets.append(ResetFacts(begins, None, past.preserve_overage, own.usage_period))
    else:
        start, usage_period = begins, own.usage_period
    return Timeline(
        start=start,
        usage_period=usage_period,
        grants=tuple(grant for grant in (*grants, *mine) if grant.end > grant.effective_at),
        resets=(*resets, *(reset for reset in own.resets if reset.at > begins)),
        preserve_overage=own.preserve_overage,
    )


def _ended(grant: GrantFacts, moment: datetime) -> GrantFacts:
    return replace(grant, voided_at=moment if grant.voided_at is None else min(grant.voided_at, moment))
