"""Keeps where burn-downs had come to, so that a balance costs one usage period and not a life.

A snapshot counts only while nothing has changed that it came from: its hash of the facts up to its time, how many
usage events there are up to then, and how many were reversed, are compared whenever it is read. Late usage, a reversed
event, a grant in the past, a void, a subject that moves: each makes it differ, whoever wrote them, and nobody needs to
delete it.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from core import clock
from core.bulk import ids_array, times_array
from core.periods import Period
from customers.attribution import Attribution
from entitlements.access.burndown import State, Timeline
from entitlements.metering.usage import MeterReading
from entitlements.models import BalanceSnapshot


class Kept(NamedTuple):
    """A state to keep, and what it came from."""

    entitlement_id: uuid.UUID
    state: State
    facts: str
    events: int
    reversals: int


def latest_snapshots(moments: Mapping[uuid.UUID, datetime]) -> dict[uuid.UUID, BalanceSnapshot]:
    """By entitlement, the last one up to its moment, right or not. One query."""
    if not moments:
        return {}
    rows = BalanceSnapshot.objects.raw(
        """
        SELECT last.* FROM unnest(%s::uuid[], %s::timestamptz[]) AS wanted(id, moment) CROSS JOIN LATERAL (
            SELECT * FROM entitlements_balancesnapshot s
            WHERE s.entitlement_id = wanted.id AND s.at <= wanted.moment ORDER BY s.at DESC LIMIT 1) AS last
        """,
        [ids_array(moments), times_array(list(moments.values()))],
    )
    return {row.entitlement_id: row for row in rows}


def keep_snapshots(kept: Iterable[Kept]) -> None:
    """Store them, each in the place of one of that time. One statement."""
    rows = [
        BalanceSnapshot(
            entitlement_id=each.entitlement_id,
            at=each.state.at,
            facts=each.facts,
            events=each.events,
            reversals=each.reversals,
            state=_as_json(each.state),
            taken_at=clock.now(),
        )
        for each in sorted(kept, key=lambda each: each.entitlement_id)
    ]
    BalanceSnapshot.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["entitlement", "at"],
        update_fields=["facts", "events", "reversals", "state", "taken_at"],
    )


def hash_of_facts(timeline: Timeline, reading: MeterReading, subjects: Iterable[Attribution], moment: datetime) -> str:
    """A hash of all that the state at `moment` comes from, but usage. What happens later is none of it."""
    grants = tuple(
        replace(grant, voided_at=grant.voided_at if grant.voided_at and grant.voided_at <= moment else None)
        for grant in sorted(timeline.grants, key=lambda grant: grant.id)
        if grant.effective_at <= moment
    )
    resets = tuple(reset for reset in timeline.resets if reset.at <= moment)
    unlimited = tuple(Period(free.start, min(free.end, moment)) for free in timeline.unlimited if free.start < moment)
    owned = sorted(
        (subject.key, str(subject.start), str(subject.end) if subject.end and subject.end < moment else "")
        for subject in subjects
        if subject.start is None or subject.start < moment
    )
    facts = (replace(timeline, grants=grants, resets=resets, unlimited=unlimited), reading, owned)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def state_of(snapshot: BalanceSnapshot) -> State:
    """The state that was kept."""
    stored = snapshot.state
    return State(
        at=snapshot.at,
        balances=MappingProxyType({uuid.UUID(key): Decimal(left) for key, left in stored["balances"].items()}),
        taken=tuple(
            (uuid.UUID(holder) if holder else None, uuid.UUID(grant), Decimal(amount))
            for holder, grant, amount in stored["taken"]
        ),
        overage=Decimal(stored["overage"]),
        usage=Decimal(stored["usage"]),
        since_change=Decimal(stored.get("since_change", 0)),
    )


def _as_json(state: State) -> dict[str, Any]:
    return {
        "balances": {str(key): str(left) for key, left in state.balances.items()},
        "taken": [[str(holder) if holder else None, str(grant), str(amount)] for holder, grant, amount in state.taken],
        "overage": str(state.overage),
        "usage": str(state.usage),
        "since_change": str(state.since_change),
    }
