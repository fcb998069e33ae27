"""What the page of a metered entitlement shows of one usage period: the balance as it burnt down, and its history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.admin.charts import Chart, line_chart
from core.admin.words import local_time, quantity_text
from core.periods import Period
from entitlements.access.balances import burndowns_of
from entitlements.access.burndown import counted_from, usage_period_at
from entitlements.access.history import BurnedSegment, History, Window, history_of
from entitlements.models import Entitlement

# Days of longer usage periods are months.
_MANY_DAYS = timedelta(days=400)
_LABELS = 6
_TICK = datetime.resolution


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """One usage period up to now, its newest stretch of history first; `resets_at` is where it ends."""

    start: datetime
    resets_at: datetime
    burnt: Chart
    says: str
    segments: list[BurnedSegment]


def usage_period_of(entitlement: Entitlement, now: datetime) -> UsagePeriod | None:
    """The usage period at `now`, or the last one before it ended; None before it begins. Facts should be loaded. As
    many queries as its balance takes, and one more."""
    if now <= entitlement.active_from:
        return None
    end = now if entitlement.active_to is None else min(now, entitlement.active_to)
    if end <= entitlement.active_from:
        return None
    [burndown] = burndowns_of([entitlement])
    line = burndown.timeline
    start, resets_at = counted_from(line, end - _TICK), usage_period_at(line, end - _TICK).end
    zone = entitlement.time_zone
    size = "DAY" if end - start < _MANY_DAYS else "MONTH"
    history = history_of(burndown, Period(start, end), size, zone)
    points = list(balances(history))
    return UsagePeriod(
        start=start,
        resets_at=resets_at,
        burnt=line_chart(points, start, resets_at, _labels(start, resets_at, zone)),
        says=f"What was left fell from {quantity_text(points[0][1])} to {quantity_text(points[-1][1])}.",
        segments=history.segments[::-1],
    )


def balances(history: History) -> Iterator[tuple[datetime, Decimal]]:
    """The balance over time, as points of a line: level where nothing is used, upright where a grant comes or goes.
    Within a window, usage is spread evenly."""
    windows = history.windows
    first = 0
    for segment in history.segments:
        while first < len(windows) and windows[first].period.end <= segment.period.start:
            first += 1
        yield segment.period.start, segment.before.balance
        inside = list(_overlapping(windows[first:], segment.period.end))
        for number, window in enumerate(inside):
            if window.period.start > segment.period.start:
                yield window.period.start, window.balance_at_start
            following = inside[number + 1].balance_at_start if number + 1 < len(inside) else segment.after.balance
            yield min(window.period.end, segment.period.end), following
        yield segment.period.end, segment.after.balance


def _overlapping(windows: Sequence[Window], end: datetime) -> Iterator[Window]:
    for window in windows:
        if window.period.start >= end:
            return
        yield window


def _labels(start: datetime, end: datetime, zone: str) -> list[tuple[datetime, str]]:
    step = (end - start) / _LABELS
    moments = [start + step * number for number in range(_LABELS + 1)]
    return [(moment, f"{local_time(moment, zone).day} {local_time(moment, zone):%b}") for moment in moments]
