"""Grants and timelines in tests of the burn-down, with fixed values, and a run over days."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from core.periods import CADENCES
from entitlements.access.burndown import (
    GrantFacts,
    ResetFacts,
    Rhythm,
    Segment,
    Standing,
    State,
    Timeline,
    begin,
    run,
    segments,
    standing,
)
from tests.support.clock import at

Uses = tuple[tuple[str, str], ...]
"""When how much was used: `(("2026-04-03", "10"), ...)`, in UTC."""


def grant(number: int, amount: str, start: str = "2026-04-01", **facts: Any) -> GrantFacts:
    """A grant of April on that keeps nothing at a reset. Times may be texts; `rollover` sets both limits."""
    for name in ("created", "expires_at", "voided_at"):
        if isinstance(facts.get(name), str):
            facts[name] = at(facts[name])
    if "rollover" in facts:
        facts["min_rollover"] = facts["max_rollover"] = facts.pop("rollover")
    for name in ("min_rollover", "max_rollover"):
        if name in facts:
            facts[name] = Decimal(facts[name])
    if "every" in facts:
        facts["recurrence"] = Rhythm(at(start), CADENCES[facts.pop("every")])
    return GrantFacts(UUID(int=number), Decimal(amount), at(start), **facts)


def timeline(*grants: GrantFacts, start: str = "2026-04-01", anchor: str | None = None, **facts: Any) -> Timeline:
    """Usage periods from `anchor`, else from `start`, monthly unless `cadence` says otherwise. Resets may be texts."""
    resets = tuple(
        reset if isinstance(reset, ResetFacts) else ResetFacts(at(reset)) for reset in facts.pop("resets", ())
    )
    cadence = CADENCES[facts.pop("cadence", "P1M")]
    return Timeline(at(start), Rhythm(at(anchor or start), cadence), grants, resets, **facts)


def used_in(part: Segment, uses: Uses) -> Decimal:
    return sum((Decimal(amount) for day, amount in uses if part.start <= at(day) < part.end), Decimal(0))


def state_at(line: Timeline, uses: Uses, moment: str, since: State | None = None) -> State:
    """The state at `moment`, from the timeline's start or on from `since`."""
    state = since or begin(line)
    parts = segments(line, state.at, at(moment))
    return run(line, state, parts, [used_in(part, uses) for part in parts])[-1]


def standing_at(line: Timeline, uses: Uses, moment: str) -> Standing:
    return standing(line, state_at(line, uses, moment))
