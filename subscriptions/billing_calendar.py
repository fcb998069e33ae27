"""Owns a subscription's billing calendar: which period of an item holds a moment (billing rules 2 and 4). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core import periods
from core.periods import Cadence, Period

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class AnchorShift:
    """A period moved out: the one that would end at `boundary` ends at `anchor`, from where boundaries count anew.

    Made at `at`. It moves the items of one `cadence` only: a yearly period does not begin where a monthly one does.
    """

    cadence: str
    boundary: datetime
    anchor: datetime
    at: datetime

    def to_json(self) -> dict[str, str]:
        """As `Subscription.anchor_shifts` stores it."""
        return {
            "cadence": self.cadence,
            "from": self.boundary.isoformat(),
            "anchor": self.anchor.isoformat(),
            "at": self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """The anchor and zone that a subscription froze, and the periods that were moved out since, oldest first."""

    anchor: datetime
    zone: str
    shifts: tuple[AnchorShift, ...] = ()

    def period_at(self, cadence: Cadence, moment: datetime) -> Period:
        """The whole period, between two boundaries, that holds `moment` (UTC)."""
        anchor = self.anchor
        for shift in self.shifts:
            if shift.cadence != cadence.text:
                continue
            if moment < shift.anchor:
                period = periods.period_at(anchor, self.zone, cadence, min(moment, shift.boundary - _MOMENT))
                return Period(period.start, shift.anchor) if period.end == shift.boundary else period
            anchor = shift.anchor
        return periods.period_at(anchor, self.zone, cadence, moment)

    def end_of(self, cadence: Cadence, moment: datetime, count: int) -> datetime:
        """The end of the `count`-th period from the one that holds `moment` on; that one is the first."""
        end = moment
        for _ in range(count):
            end = self.period_at(cadence, end).end
        return end

    def extended(self, cadence: Cadence, moment: datetime) -> "BillingCalendar":
        """This calendar with the period that holds `moment` lasting a full cadence from `moment` on.

        Unchanged where that would not move the period's end out. ValueError where it was moved out before.
        """
        period = self.period_at(cadence, moment)
        end = periods.boundary(moment, self.zone, cadence, 1)
        if end <= period.end:
            return self
        if self.was_extended(cadence, period):
            raise ValueError(f"The period from {period.start} was moved out already, to {period.end}.")
        return BillingCalendar(
            self.anchor, self.zone, (*self.shifts, AnchorShift(cadence.text, period.end, end, moment))
        )

    def was_extended(self, cadence: Cadence, period: Period) -> bool:
        """Whether `period` is one that was moved out."""
        return any(shift.cadence == cadence.text and shift.anchor == period.end for shift in self.shifts)


def read_shifts(stored: Sequence[Mapping[str, Any]]) -> tuple[AnchorShift, ...]:
    """The shifts as `Subscription.anchor_shifts` stores them."""
    return tuple(
        AnchorShift(
            cadence=shift["cadence"],
            boundary=datetime.fromisoformat(shift["from"]),
            anchor=datetime.fromisoformat(shift["anchor"]),
            at=datetime.fromisoformat(shift["at"]),
        )
        for shift in stored
    )


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
