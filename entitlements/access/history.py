"""What became of a metered entitlement over time: usage and balance by window, and what burned which grant."""

import uuid
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from core.money import WIDE
from core.periods import CADENCES, Period, calendar_start, periods, zone_info
from entitlements.access.balances import Burndown, states_at
from entitlements.access.burndown import Segment, Standing, counted_from, run, segments, standing
from entitlements.access.usage_needs import UsageNeed, find_usage
from entitlements.errors import BadQuery

MAX_WINDOWS = 1500
_STEPS = {"MINUTE": timedelta(minutes=1), "HOUR": timedelta(hours=1)}
_CADENCES = {"DAY": CADENCES["P1D"], "MONTH": CADENCES["P1M"]}
WINDOW_SIZES = (*_STEPS, *_CADENCES)


@dataclass(frozen=True, slots=True)
class Window:
    """A window with usage; the balance is that at its start."""

    period: Period
    usage: Decimal
    balance_at_start: Decimal


@dataclass(frozen=True, slots=True)
class BurnedSegment:
    """A stretch in which only usage changed the balance. `before` is how things were at its start, `after` at its end,
    before anything changed there; `burned` is what each grant gave."""

    period: Period
    usage: Decimal
    before: Standing
    after: Standing
    burned: Mapping[uuid.UUID, Decimal]


@dataclass(frozen=True, slots=True)
class History:
    """Windows that have usage, and all segments, in order of time."""

    windows: list[Window]
    segments: list[BurnedSegment]


def history_of(burndown: Burndown, period: Period, size: str, zone: str) -> History:
    """The history of `period`, which is not before the burn-down's start, in windows of `size` by the calendar of
    `zone` (billing rules 9). `BadQuery` for more than 1,500 windows."""
    line = burndown.timeline
    windows = list(_windows(period, size, zone))
    if len(windows) > MAX_WINDOWS:
        raise BadQuery(f"The answer has more than {MAX_WINDOWS} windows. Ask for less time, or for larger windows.")
    since = counted_from(line, period.start)
    state = states_at([burndown], since)[burndown.id]
    whole = segments(line, since, period.end)
    pieces = list(_cut(whole, [period.start, *(window.start for window in windows)]))
    usages = find_usage({burndown.id: UsageNeed(burndown.reading, burndown.subjects, pieces)})[burndown.id].usages
    used = dict(zip(pieces, usages, strict=True))
    with localcontext(WIDE):
        of_whole = [sum(used[piece] for piece in group) for group in _grouped(pieces, whole)]
        states = run(line, state, whole, [Decimal(usage) for usage in of_whole])
        starts: dict[datetime, Standing] = {}
        ends: dict[datetime, Standing] = {}
        for part, reached, group in zip(whole, states, _grouped(pieces, whole), strict=False):
            so_far = Decimal(0)
            for piece in group:
                starts[piece.start] = standing(line, reached.used(so_far, piece.start))
                so_far += used[piece]
            ends[part.end] = standing(line, reached.used(so_far, part.end))
        shown = [
            _segment(part, period, used, group, starts, ends)
            for part, group in zip(whole, _grouped(pieces, whole), strict=True)
            if part.end > period.start
        ]
        used_in = [Decimal(0)] * len(windows)
        first = [window.start for window in windows]
        for piece in pieces:
            number = bisect_right(first, piece.start) - 1
            if number >= 0:
                used_in[number] += used[piece]
    found = [
        Window(window, usage, starts[window.start].balance)
        for window, usage in zip(windows, used_in, strict=True)
        if usage
    ]
    return History(found, shown)


def _segment(
    part: Segment,
    period: Period,
    used: Mapping[Segment, Decimal],
    pieces: Iterable[Segment],
    starts: Mapping[datetime, Standing],
    ends: Mapping[datetime, Standing],
) -> BurnedSegment:
    start = max(part.start, period.start)
    before, after = starts[start], ends[part.end]
    burned = {key: amount - before.burned.get(key, Decimal(0)) for key, amount in after.burned.items()}
    usage = sum((used[piece] for piece in pieces if start <= piece.start < part.end), Decimal(0))
    return BurnedSegment(
        Period(start, part.end), usage, before, after, {key: amount for key, amount in burned.items() if amount}
    )


def _windows(period: Period, size: str, zone: str) -> Iterator[Period]:
    """The windows of `size` in `period`, the first and the last clipped; at most one more than are allowed."""
    if period.is_empty:
        return
    if size in _CADENCES:
        cadence = _CADENCES[size]
        whole = periods(calendar_start(period.start, zone, [cadence]), zone, cadence, period.start, period.end)
    else:
        whole = _steps(period, _STEPS[size], zone)
    for number, window in enumerate(whole):
        if number > MAX_WINDOWS:
            return
        yield Period(max(window.start, period.start), min(window.end, period.end))


def _steps(period: Period, step: timedelta, zone: str) -> Iterator[Period]:
    """Of equal length, also where clocks change: an hour that comes twice is two."""
    local = period.start.astimezone(zone_info(zone)).replace(tzinfo=None)
    start = (
        period.start
        - timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond) % step
    )
    while start < period.end:
        yield Period(start, start + step)
        start += step


def _cut(parts: Iterable[Segment], edges: Iterable[datetime]) -> Iterator[Segment]:
    """`parts`, cut at `edges`."""
    listed = sorted(set(edges))
    for part in parts:
        start = part.start
        for edge in listed:
            if start < edge < part.end:
                yield replace(part, start=start, end=edge)
                start = edge
        yield replace(part, start=start)


def _grouped(pieces: Iterable[Segment], parts: Iterable[Segment]) -> Iterator[list[Segment]]:
    """The pieces of each of `parts`."""
    remaining = iter(pieces)
    for part in parts:
        group = []
        for piece in remaining:
            group.append(piece)
            if piece.end == part.end:
                break
        yield group
