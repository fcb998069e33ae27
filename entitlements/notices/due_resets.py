"""Owns which resets of somebody's entitlement are to be told, and when it is to be looked at next (billing rules 9).

A reset is told once, each that there was, the oldest first: those of the calendar since the last look, and those that
staff, programs and changes of plan made, also in the past. That an entitlement begins is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from entitlements.access.burndown import Timeline, all_resets, segments, usage_period_at
from entitlements.models import Entitlement, EntitlementDue

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Reset:
    """Usage of `entitlement` was reset `at` a time."""

    entitlement: Entitlement
    at: datetime


@dataclass(frozen=True, slots=True)
class Life:
    """What a customer has had of a feature: the entitlements, each with its timeline, in order of time."""

    entitlements: Sequence[Entitlement]
    timelines: Mapping[UUID, Timeline]

    def at(self, moment: datetime) -> Entitlement | None:
        """The one that is active at `moment`."""
        return next((each for each in self.entitlements if _is_active(each, moment)), None)

    def resets(self, due: EntitlementDue, now: datetime) -> list[Reset]:
        """What was reset since the last look, up to and at `now`, in order of time."""
        found: dict[datetime, Reset] = {}
        for each in self.entitlements:
            timeline = self.timelines[each.pk]
            # One that goes on from another may begin with a reset.
            begins = each.active_from if each.continues_id is None else each.active_from - _TICK
            after = max(due.seen_to, timeline.start, begins)
            before = now + _TICK if each.active_to is None else min(now + _TICK, each.active_to)
            moments = {at for at in due.resets if at <= now and _is_active(each, at) and _is_reset(each, timeline, at)}
            if after < before:
                moments |= all_resets(timeline, after, before).keys()
            found.update((at, Reset(each, at)) for at in moments)
        return [found[at] for at in sorted(found)]

    def next_look(self, now: datetime) -> datetime | None:
        """When something changes next by itself; None: never."""
        moments = [each.active_from for each in self.entitlements if each.active_from > now]
        current = self.at(now)
        if current is not None:
            timeline = self.timelines[current.pk]
            until = usage_period_at(timeline, now).end
            moments += [
                segments(timeline, now, until)[0].end,
                *([] if current.active_to is None else [current.active_to]),
            ]
        return min(moments, default=None)


def _is_active(entitlement: Entitlement, moment: datetime) -> bool:
    end = entitlement.active_to
    return entitlement.active_from <= moment and (end is None or moment < end)


def _is_reset(entitlement: Entitlement, timeline: Timeline, at: datetime) -> bool:
    if any(reset.at == at for reset in entitlement.resets.all()):
        return True
    return timeline.start < at and at in all_resets(timeline, at - _TICK, at + _TICK)
