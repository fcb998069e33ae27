"""Owns what callers ask of a subscription's calendar: periods, how far they last, how one is extended. Pure.

The grid itself is `subscriptions.schedule`'s, so that what a caller is told and what is billed are the same.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from core import periods
from core.periods import Cadence, Period
from subscriptions.schedule import AnchorShift, SubscriptionFacts, service_period_at

_MOMENT = timedelta(microseconds=1)

# Asks for periods that begin where those of the calendar do, instead of at a given moment (billing rules 2).
CALENDAR: Final = "calendar"
Anchor = datetime | Literal["calendar"]


def period_at(sub: SubscriptionFacts, cadence: Cadence, moment: datetime) -> Period:
    """The whole period, between two boundaries, that holds `moment` (UTC)."""
    period = service_period_at(sub, cadence, moment)
    return Period(period.start, period.end)


def extension(sub: SubscriptionFacts, cadence: Cadence, moment: datetime) -> AnchorShift | None:
    """The shift that lets the period which holds `moment` last a full cadence from `moment` on (billing rules 4).

    None where that would not move the period's end out. ValueError where it was moved out before: the extra time was
    charged once, and moving its end again would charge parts of it twice.
    """
    period = service_period_at(sub, cadence, moment)
    end = periods.boundary(moment, sub.zone, cadence, 1)
    if end <= period.end:
        return None
    if period.moved_out_at is not None:
        raise ValueError(f"The period from {period.start} was moved out already, to {period.end}.")
    return AnchorShift(boundary=period.end, anchor=end, at=moment, cadence=cadence)


def shift_to_json(shift: AnchorShift) -> dict[str, str]:
    """As `Subscription.anchor_shifts` stores it."""
    return {
        "cadence": shift.cadence.text,
        "from": shift.boundary.isoformat(),
        "anchor": shift.anchor.isoformat(),
        "at": shift.at.isoformat(),
    }


def calendar_anchor(start: datetime, zone: str, cadence: Cadence, others: Iterable[str | None]) -> datetime:
    """Where the calendar's periods of `cadence`, the subscription's own, begin at or before `start`; so that those of
    the `others`, of its items, do, too (billing rules 2)."""
    return periods.calendar_start(start, zone, {cadence} | {periods.CADENCES[text] for text in others if text})


def normalized_anchor(anchor: datetime, zone: str, cadence: Cadence, start: datetime) -> datetime:
    """The latest boundary at or before `start` that keeps the wall time of `anchor`, day of the month included.

    A boundary on a shortened day (29 February for an anchor on the 31st) is passed over: as an anchor it would move
    every later boundary.
    """
    wanted = _wall(anchor, zone)
    found = periods.period_at(anchor, zone, cadence, start).start
    while True:
        wall = _wall(found, zone)
        if wall.time() == wanted.time() and (not cadence.months or wall.day == wanted.day):
            return found
        found = periods.period_at(anchor, zone, cadence, found - _MOMENT).start


def _wall(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(periods.zone_info(zone)).replace(tzinfo=None, fold=0)
