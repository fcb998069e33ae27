"""Owns the grid of service periods of a subscription: from the anchor, with periods that were moved out."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from core.periods import Cadence, Period, period_at, periods
from subscriptions.schedule.facts import AnchorShift, SubscriptionFacts


class ServicePeriod(NamedTuple):
    """One full period `[start, end)`. A period that was moved out keeps its `nominal_end`, the boundary that it had;
    its length for proration is the nominal one, so that a longer period costs more (billing rules 4)."""

    start: datetime
    end: datetime
    nominal_end: datetime
    moved_out_at: datetime | None = None

    @property
    def nominal(self) -> Period:
        return Period(self.start, self.nominal_end)


def service_periods(
    sub: SubscriptionFacts, cadence: Cadence, start: datetime, end: datetime
) -> Iterator[ServicePeriod]:
    """The full periods of `cadence` that share time with `[start, end)`, in order, without gap."""
    anchor = sub.anchor
    for shift in _shifts_of(sub, cadence):
        # Up to and with the period that was moved out; the boundaries behind it count from the new anchor.
        if start < shift.anchor:
            for period in periods(anchor, sub.zone, cadence, start, min(end, shift.boundary)):
                if period.end == shift.boundary:
                    yield ServicePeriod(period.start, shift.anchor, shift.boundary, shift.at)
                else:
                    yield ServicePeriod(period.start, period.end, period.end)
            if start >= shift.boundary:
                last = period_at(anchor, sub.zone, cadence, _just_before(shift.boundary))
                yield ServicePeriod(last.start, shift.anchor, shift.boundary, shift.at)
        start = max(start, shift.anchor)
        anchor = shift.anchor
        if start >= end:
            return
    for period in periods(anchor, sub.zone, cadence, start, end):
        yield ServicePeriod(period.start, period.end, period.end)


def service_period_at(sub: SubscriptionFacts, cadence: Cadence, moment: datetime) -> ServicePeriod:
    """The full period of `cadence` that holds `moment`."""
    return next(service_periods(sub, cadence, moment, _just_after(moment)))


def _shifts_of(sub: SubscriptionFacts, cadence: Cadence) -> list[AnchorShift]:
    return [shift for shift in sub.shifts if shift.cadence == cadence]


def _just_after(moment: datetime) -> datetime:
    return moment + datetime.resolution


def _just_before(moment: datetime) -> datetime:
    return moment - datetime.resolution
