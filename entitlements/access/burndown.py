"""Owns the burn-down: what is left of a metered entitlement's grants once usage has been taken from them. Pure.

Grants burn by priority, then earliest expiry, then creation; a reset starts a new usage period and rolls balances over
(billing rules 9). Time falls into segments between the moments at which anything but usage changes (`segments`); the
usage of each is handed in, so that what is left never depends on how often it is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from types import MappingProxyType
from uuid import UUID

from core.money import WIDE
from core.periods import Cadence, Period, period_at, periods

ZERO = Decimal(0)
_NEVER = datetime.max.replace(tzinfo=UTC)
_EVER = datetime.min.replace(tzinfo=UTC)
_TICK = timedelta(microseconds=1)

Taken = tuple[tuple[UUID | None, UUID, Decimal], ...]
"""What grants took in a usage period, in that order: to whom it can be given back (None: to nobody any more), which
grant it was, and how much."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Recurs at `anchor + n x cadence`, by the wall time of `zone`."""

    anchor: datetime
    cadence: Cadence
    zone: str = "UTC"

    def between(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """Its moments later than `after` and earlier than `before`."""
        for period in periods(self.anchor, self.zone, self.cadence, after, before):
            if after < period.start:
                yield period.start

    def period(self, moment: datetime) -> Period:
        """The period between two of its moments that holds `moment`."""
        return period_at(self.anchor, self.zone, self.cadence, moment)

    def anchored(self, anchor: datetime | None) -> "Rhythm":
        return self if anchor is None else replace(self, anchor=anchor)


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """A grant counts from `effective_at` up to, not at, its end: what expires or is voided comes first.

    `recurrence` sets its balance to `amount` again, at each of its moments. At a reset, what is left becomes
    `min(max_rollover, max(min_rollover, left))`. `created` orders those of one priority and expiry.
    """

    id: UUID
    amount: Decimal
    effective_at: datetime
    priority: int = 1
    created: datetime = _EVER
    expires_at: datetime | None = None
    voided_at: datetime | None = None
    max_rollover: Decimal = ZERO
    min_rollover: Decimal = ZERO
    recurrence: Rhythm | None = None

    @property
    def end(self) -> datetime:
        return min(self.expires_at or _NEVER, self.voided_at or _NEVER)

    @property
    def order(self) -> tuple[int, datetime, datetime, UUID]:
        """Who burns first. That a grant will be voided is not known before: it changes no order."""
        return self.priority, self.expires_at or _NEVER, self.created, self.id

    def holds_at(self, moment: datetime) -> bool:
        return self.effective_at <= moment < self.end


@dataclass(frozen=True, slots=True)
class ResetFacts:
    """A reset by hand. `anchor`: where the usage period is anchored from then on; None: as before.
    `preserve_overage`: whether the overage is kept; None: as the entitlement has it. `usage_period`: how usage periods
    follow each other from then on, where other terms begin (`chains.py`); None: as before."""

    at: datetime
    anchor: datetime | None = None
    preserve_overage: bool | None = None
    usage_period: Rhythm | None = None

    def rhythm_after(self, before: Rhythm) -> Rhythm:
        """How usage periods follow each other from here on, where they did as `before`."""
        return before.anchored(self.anchor) if self.usage_period is None else self.usage_period


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that changes a balance besides usage. Usage counts from `start`, except in the spans `unlimited`, in which it
    was free; these and `resets` are in order of time, no reset before `start`."""

    start: datetime
    usage_period: Rhythm
    grants: tuple[GrantFacts, ...] = ()
    resets: tuple[ResetFacts, ...] = ()
    preserve_overage: bool = False
    unlimited: tuple[Period, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch `[start, end)` in which only usage changes what is left; `counted_from` is where the usage period
    that it belongs to began to count. Where it `is_free`, usage changes nothing."""

    start: datetime
    end: datetime
    counted_from: datetime
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How things are at a moment: what is left of each grant that counts, the usage of the current usage period, what
    of it (and of overage that was kept) grants took, by grant, and what none could take."""

    grants: Mapping[UUID, Decimal]
    usage: Decimal
    burned: Mapping[UUID, Decimal]
    overage: Decimal
    consumed: Decimal

    @property
    def balance(self) -> Decimal:
        """What is left, of all grants; never negative."""
        with localcontext(WIDE):
            return sum(self.grants.values(), ZERO)

    @property
    def total(self) -> Decimal:
        """What the period had to offer: what is left, and what was used of it."""
        with localcontext(WIDE):
            return self.balance + self.consumed


@dataclass(frozen=True, slots=True)
class State:
    """A point from which a burn-down can go on: how things were at the last change, and the usage since then.

    Usage is applied as a whole up to the next change, so that parts of a segment add up, whatever their signs.
    `overage` is below zero where more was given back than had been taken.
    """

    at: datetime
    balances: Mapping[UUID, Decimal]
    taken: Taken = ()
    overage: Decimal = ZERO
    usage: Decimal = ZERO
    since_change: Decimal = ZERO

    def used(self, usage: Decimal, until: datetime) -> "State":
        """With `usage` more, at `until`, with no change in between."""
        with localcontext(WIDE):
            return replace(self, at=until, since_change=self.since_change + usage)


def usage_period_at(timeline: Timeline, moment: datetime) -> Period:
    """The usage period at `moment`: from the boundary before it or a later reset by hand, to the next boundary or
    reset by hand that is known."""
    rhythm, start, end = timeline.usage_period, None, _NEVER
    for reset in timeline.resets:
        if reset.at > moment:
            end = reset.at
            break
        rhythm, start = reset.rhythm_after(rhythm), reset.at
    period = rhythm.period(moment)
    return Period(period.start if start is None else max(start, period.start), min(period.end, end))


def counted_from(timeline: Timeline, moment: datetime) -> datetime:
    """From when usage counts in the usage period at `moment`: the last reset, or the timeline's own start."""
    return max(timeline.start, usage_period_at(timeline, moment).start)


def segments(timeline: Timeline, after: datetime, until: datetime) -> tuple[Segment, ...]:
    """The segments of `[after, until)`, in order and without a gap; `run` wants the usage of each."""
    if until <= after:
        return ()
    resets = _resets(timeline, after, until)
    moments = {moment for grant in timeline.grants for moment in _changes(grant, after, until)} | resets.keys()
    moments |= {edge for free in timeline.unlimited for edge in (free.start, free.end) if after < edge < until}
    start, counted, found = after, counted_from(timeline, after), []
    for moment in [*sorted(moments), until]:
        if start in resets:
            counted = start
        found.append(Segment(start, moment, counted, any(start in free for free in timeline.unlimited)))
        start = moment
    return tuple(found)


def begin(timeline: Timeline) -> State:
    """The state at the timeline's start."""
    balances = {grant.id: grant.amount for grant in timeline.grants if grant.holds_at(timeline.start)}
    return State(timeline.start, MappingProxyType(balances))


def standing(timeline: Timeline, state: State) -> Standing:
    """How things are in `state`."""
    with localcontext(WIDE):
        settled = _settled(timeline, state)
        burned: dict[UUID, Decimal] = {}
        for _, grant_id, amount in settled.taken:
            burned[grant_id] = burned.get(grant_id, ZERO) + amount
        return Standing(
            grants=settled.balances,
            usage=settled.usage,
            burned=burned,
            overage=max(settled.overage, ZERO),
            consumed=sum(burned.values(), ZERO),
        )


def run(timeline: Timeline, state: State, parts: Sequence[Segment], usages: Sequence[Decimal]) -> list[State]:
    """The state at the start of each of `parts`, and the one at their end. `parts` are all segments from `state.at` to
    a moment, `usages` what was used in each; what changes at a moment has changed in the state at it."""
    states = [state]
    if parts:
        resets = _resets(timeline, state.at, parts[-1].end, include=True)
        with localcontext(WIDE):
            for part, usage in zip(parts, usages, strict=True):
                states.append(_changed(timeline, states[-1].used(usage, part.end), resets.get(part.end)))
    return states


def last_reset(timeline: Timeline, after: datetime, until: datetime) -> datetime | None:
    """The last reset later than `after` and not later than `until`."""
    return max(_resets(timeline, after, until, include=True), default=None)


def all_resets(timeline: Timeline, after: datetime, before: datetime) -> dict[datetime, bool]:
    """The resets between the two moments, by hand or not, each with whether it keeps the overage."""
    return _resets(timeline, after, before)


def _resets(timeline: Timeline, after: datetime, until: datetime, *, include: bool = False) -> dict[datetime, bool]:
    """The resets between the two moments, each with whether it keeps the overage; `include` the one at `until`."""
    found: dict[datetime, bool] = {}
    before = until + _TICK if include else until
    rhythm, since = timeline.usage_period, after
    for reset in timeline.resets:
        if reset.at >= before:
            break
        if reset.at > since:
            found.update(dict.fromkeys(rhythm.between(since, reset.at), timeline.preserve_overage))
        if reset.at > after:
            kept = timeline.preserve_overage if reset.preserve_overage is None else reset.preserve_overage
            found[reset.at], since = kept, reset.at
        rhythm = reset.rhythm_after(rhythm)
    found.update(dict.fromkeys(rhythm.between(since, before), timeline.preserve_overage))
    return found


def _changes(grant: GrantFacts, after: datetime, before: datetime) -> Iterator[datetime]:
    """When `grant` begins, is renewed and ends, later than `after` and earlier than `before`."""
    if grant.end <= grant.effective_at:
        return
    for moment in (grant.effective_at, grant.end):
        if after < moment < before:
            yield moment
    if grant.recurrence is not None:
        yield from grant.recurrence.between(max(after, grant.effective_at), min(before, grant.end))


def _changed(timeline: Timeline, state: State, keeps_overage: bool | None) -> State:
    """`state` after what changes at its moment. `keeps_overage` is None where there is no reset.

    What ends is gone first, then a reset rolls over what is left, then grants are renewed or begin, and at last
    overage burns what has come.
    """
    moment = state.at
    live = {grant.id: grant for grant in timeline.grants if grant.holds_at(moment)}
    begun = {
        grant.id
        for grant in live.values()
        if grant.effective_at == moment or (grant.recurrence is not None and _recurs(grant, moment))
    }
    if keeps_overage is None and not begun and live.keys() == state.balances.keys():
        return state
    settled = _settled(timeline, state)
    balances = {grant_id: left for grant_id, left in settled.balances.items() if grant_id in live}
    taken, overage, usage = settled.taken, settled.overage, settled.usage
    if keeps_overage is not None:
        balances = {key: min(live[key].max_rollover, max(live[key].min_rollover, balances[key])) for key in balances}
        taken, usage, overage = (), ZERO, max(overage, ZERO) if keeps_overage else ZERO
    balances.update((grant_id, live[grant_id].amount) for grant_id in begun)
    for grant_id in live.keys() - balances.keys():
        raise ValueError(f"The grant {grant_id} counts at {moment}, and no segment ended where it began.")
    taken = tuple(
        (holder if holder in live and holder not in begun else None, grant_id, amount)
        for holder, grant_id, amount in taken
    )
    changed = State(moment, MappingProxyType(balances), taken, ZERO, usage)
    if overage > 0:
        burned = _settled(timeline, replace(changed, since_change=overage))
        return replace(burned, usage=usage)
    return replace(changed, overage=overage)


def _recurs(grant: GrantFacts, moment: datetime) -> bool:
    return (
        grant.recurrence is not None and moment > grant.effective_at and grant.recurrence.period(moment).start == moment
    )


def _settled(timeline: Timeline, state: State) -> State:
    """`state` with the usage since the last change taken from its grants."""
    open_usage = state.since_change
    if not open_usage:
        return state
    usage = state.usage + open_usage
    if open_usage > 0:
        balances, taken, overage = _burn(timeline, state, open_usage)
    else:
        balances, taken, overage = _give_back(state, -open_usage)
    return State(state.at, MappingProxyType(balances), taken, overage, usage)


def _burn(timeline: Timeline, state: State, amount: Decimal) -> tuple[dict[UUID, Decimal], Taken, Decimal]:
    """What is left of each grant, what each took, and the overage once `amount` was used."""
    balances, taken, overage = dict(state.balances), list(state.taken), state.overage
    if overage < 0:
        covered = min(-overage, amount)
        overage, amount = overage + covered, amount - covered
    for grant in sorted((grant for grant in timeline.grants if balances.get(grant.id)), key=lambda grant: grant.order):
        if not amount:
            break
        part = min(amount, balances[grant.id])
        balances[grant.id] -= part
        amount -= part
        if taken and taken[-1][:2] == (grant.id, grant.id):
            part += taken.pop()[2]
        taken.append((grant.id, grant.id, part))
    return balances, tuple(taken), overage + amount


def _give_back(state: State, amount: Decimal) -> tuple[dict[UUID, Decimal], Taken, Decimal]:
    """As `_burn`, of usage that is taken back: off the overage first, then to whom it was taken from last."""
    balances, taken, overage = dict(state.balances), list(state.taken), state.overage
    if overage > 0:
        lifted = min(overage, amount)
        overage, amount = overage - lifted, amount - lifted
    while amount and taken:
        holder, grant_id, had = taken.pop()
        part = min(had, amount)
        amount -= part
        if holder is not None:
            balances[holder] += part
        if part < had:
            taken.append((holder, grant_id, had - part))
    return balances, tuple(taken), overage - amount
