"""What is left of metered entitlements at a moment: facts, snapshots and usage brought together, for many at once."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from customers.attribution import Attribution
from customers.selectors import attributions_of
from entitlements.access.asked import LoadedFacts
from entitlements.access.burndown import Segment, Standing, State, Timeline, begin, last_reset, run, segments, standing
from entitlements.access.chains import chained_timelines
from entitlements.access.snapshots import Kept, hash_of_facts, keep_snapshots, latest_snapshots, state_of
from entitlements.access.usage_needs import ADDS_UP, UsageNeed, find_usage
from entitlements.choices import Aggregation
from entitlements.errors import NotMetered
from entitlements.metering.usage import MeterReading, reading_of
from entitlements.models import BalanceSnapshot, Entitlement


@dataclass(frozen=True, slots=True)
class Burndown:
    """A metered entitlement, ready to burn down: what changes it, and whose usage counts."""

    id: uuid.UUID
    timeline: Timeline
    reading: MeterReading
    subjects: tuple[Attribution, ...]

    def facts_at(self, moment: datetime) -> str:
        return hash_of_facts(self.timeline, self.reading, self.subjects, moment)


def burndowns_of(entitlements: Iterable[Entitlement], loaded: LoadedFacts | None = None) -> list[Burndown]:
    """Their burn-downs; features with meters, grants and resets should be loaded. One query, and three more where any
    continues another; none with `loaded`. NotMetered where one of them is not."""
    entitlements = list(entitlements)
    if loaded is None:
        timelines = chained_timelines(entitlements)
        subjects = attributions_of({entitlement.customer_id for entitlement in entitlements})
    else:
        timelines, subjects = chained_timelines(entitlements, loaded.earlier), dict(loaded.subjects)
    found = []
    for entitlement in entitlements:
        reading = reading_of(entitlement.feature)
        if reading is None:
            raise NotMetered(f"The feature {entitlement.feature_key} has no meter.")
        found.append(
            Burndown(entitlement.pk, timelines[entitlement.pk], reading, subjects.get(entitlement.customer_id, ()))
        )
    return found


def standings_at(
    burndowns: Sequence[Burndown], moment: datetime, loaded: LoadedFacts | None = None
) -> dict[uuid.UUID, Standing]:
    """How each stands at `moment`, which is not before its start (billing rules 9). Three queries, however many there
    are, or one where the facts of that moment are `loaded` and no event was taken back; one more where a snapshot is
    taken, and another three where one turns out to have been overtaken."""
    states = states_at(burndowns, moment, loaded)
    return {each.id: standing(each.timeline, states[each.id]) for each in burndowns}


def standings_each(burndowns: Sequence[Burndown], moments: Mapping[uuid.UUID, datetime]) -> dict[uuid.UUID, Standing]:
    """As `standings_at`, each at a moment of its own."""
    states = _states(burndowns, moments, None)
    return {each.id: standing(each.timeline, states[each.id]) for each in burndowns}


def states_at(
    burndowns: Sequence[Burndown], moment: datetime, loaded: LoadedFacts | None = None
) -> dict[uuid.UUID, State]:
    """As `standings_at`, from where a burn-down can go on."""
    return _states(burndowns, {each.id: moment for each in burndowns}, loaded)


def _states(
    burndowns: Sequence[Burndown], moments: Mapping[uuid.UUID, datetime], loaded: LoadedFacts | None
) -> dict[uuid.UUID, State]:
    stored = latest_snapshots({each.id: moments[each.id] for each in burndowns}) if loaded is None else loaded.snapshots
    any_reversed = loaded is None or loaded.any_reversed
    right = {
        each.id: stored[each.id]
        for each in burndowns
        if each.id in stored and stored[each.id].facts == each.facts_at(stored[each.id].at)
    }
    states = _run(burndowns, moments, right, any_reversed)
    overtaken = [each for each in burndowns if each.id not in states]
    if overtaken:
        states.update(_run(overtaken, moments, {}, any_reversed))
    return states


def _run(
    burndowns: Sequence[Burndown],
    moments: Mapping[uuid.UUID, datetime],
    snapshots: Mapping[uuid.UUID, BalanceSnapshot],
    any_reversed: bool,
) -> dict[uuid.UUID, State]:
    """The states at their `moments`, each from its snapshot or its start on; none where more events had come since the
    snapshot was taken. Keeps another snapshot where there is a moment for it on the way."""
    starts = {
        each.id: state_of(snapshots[each.id]) if each.id in snapshots else begin(each.timeline) for each in burndowns
    }
    parts = {each.id: segments(each.timeline, starts[each.id].at, moments[each.id]) for each in burndowns}
    worth_keeping: dict[uuid.UUID, datetime | None] = {}
    for each in burndowns:
        worth_keeping[each.id] = _worth_keeping(each, starts[each.id].at, parts[each.id], moments[each.id])
        parts[each.id] = _cut(parts[each.id], worth_keeping[each.id])
    needs: dict[uuid.UUID, UsageNeed] = {}
    for each in burndowns:
        since, keep = starts[each.id].at, worth_keeping[each.id]
        counted = [(each.timeline.start, since), *([] if keep is None else [(since, keep)])]
        needs[each.id] = UsageNeed(each.reading, each.subjects, parts[each.id], counted)
    found = find_usage(needs, any_reversed=any_reversed)
    states: dict[uuid.UUID, State] = {}
    kept: list[Kept] = []
    for each in burndowns:
        usages, events, reversals = found[each.id].usages, found[each.id].events, found[each.id].reversals
        snapshot = snapshots.get(each.id)
        if snapshot is not None and (events[0], reversals[0]) != (snapshot.events, snapshot.reversals):
            continue
        on_the_way = run(each.timeline, starts[each.id], parts[each.id], usages)
        states[each.id] = on_the_way[-1]
        keep = worth_keeping[each.id]
        if keep is not None:
            then = next(state for state in on_the_way if state.at == keep)
            kept.append(Kept(each.id, then, each.facts_at(keep), sum(events), sum(reversals)))
    if kept:
        keep_snapshots(kept)
    return states


def _worth_keeping(burndown: Burndown, since: datetime, parts: Sequence[Segment], moment: datetime) -> datetime | None:
    """Where a snapshot spares most of what comes later, after `since` and up to `moment`: at the first whole hour after
    the last change, so that no later reading cuts an hour and has to look at its events. Until then, and where usage
    does not add up over parts of a period: at the last reset."""
    if parts and Aggregation(burndown.reading.aggregation) in ADDS_UP:
        last = parts[-1].start
        hour = last.replace(minute=0, second=0, microsecond=0)
        hour = hour if hour == last else hour + timedelta(hours=1)
        if since < hour <= moment:
            return hour
    return last_reset(burndown.timeline, since, moment)


def _cut(parts: Sequence[Segment], moment: datetime | None) -> tuple[Segment, ...]:
    """`parts`, with the one that `moment` lies in as two."""
    found: list[Segment] = []
    for part in parts:
        if moment is not None and part.start < moment < part.end:
            found.append(replace(part, end=moment))
            part = replace(part, start=moment)
        found.append(part)
    return tuple(found)
