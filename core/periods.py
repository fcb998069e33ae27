"""Owns calendar arithmetic: cadences, durations, boundaries from an anchor, and half-open periods (billing rules 2)."""

import calendar
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import field_error

_DURATION_TEXT: Final = re.compile(
    r"P(?=.)(?:([0-9]{1,4})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?=.)(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,9})S)?)?"
)
_UNITS: Final = ("year", "month", "week", "day", "hour", "minute", "second")
_DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Names that the database of time zones has for no place: what the machine is set to, and placeholders.
_NO_ZONES: Final = frozenset(["localtime", "Factory", "posixrules"])
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time as ISO 8601 writes it: months and days go by the local calendar, seconds by the clock."""

    text: str
    months: int
    days: int
    seconds: int
    parts: tuple[tuple[int, str], ...] = ()
    """As it was written: how many of which unit, "year" to "second"; what is zero is left out."""

    def after(self, moment: datetime, zone: str = "UTC") -> datetime:
        """The moment (UTC) this long after `moment`: the wall time of `zone` is kept over months and days."""
        if self.months or self.days:
            local = moment.astimezone(zone_info(zone)).replace(tzinfo=None)
            moment = _to_utc(_plus(local, self.months, self.days), zone)
        return moment + timedelta(seconds=self.seconds)

    @property
    def is_zero(self) -> bool:
        return not (self.months or self.days or self.seconds)


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often something recurs: a number of months or a number of days, never both. One-time is None, not this."""

    text: str
    months: int
    days: int


CADENCES: Final = {
    "P1D": Cadence("P1D", 0, 1),
    "P1W": Cadence("P1W", 0, 7),
    "P2W": Cadence("P2W", 0, 14),
    "P4W": Cadence("P4W", 0, 28),
    "P1M": Cadence("P1M", 1, 0),
    "P3M": Cadence("P3M", 3, 0),
    "P6M": Cadence("P6M", 6, 0),
    "P1Y": Cadence("P1Y", 12, 0),
}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A half-open stretch of time [start, end), both in UTC. Empty when they are equal; never backwards."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"A period can't end ({self.end}) before it starts ({self.start}).")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def is_empty(self) -> bool:
        return self.start == self.end

    @property
    def microseconds(self) -> int:
        return (self.end - self.start) // _MICROSECOND


def fraction(part: Period, whole: Period) -> tuple[int, int]:
    """`part` over `whole` by duration, as (numerator, denominator) (billing rules 2).

    In seconds where both are whole seconds, so that a reader can check it against the clock, else in microseconds.
    An extended period gives more than one. ValueError when `whole` is empty.
    """
    if whole.is_empty:
        raise ValueError(f"Nothing can be a fraction of an empty period ({whole.start}).")
    return in_seconds(part.microseconds, whole.microseconds)


def in_seconds(part: int, whole: int) -> tuple[int, int]:
    """A fraction of microseconds, in seconds where both are whole ones."""
    if part % 1_000_000 == 0 and whole % 1_000_000 == 0:
        return part // 1_000_000, whole // 1_000_000
    return part, whole


def parse_cadence(text: str | None, *, field: str = "billingCadence") -> Cadence | None:
    """The cadence that `text` names; None means one-time. InvalidInput, naming `field`, for any other text."""
    if text is None:
        return None
    cadence = CADENCES.get(text) if isinstance(text, str) else None
    if cadence is None:
        raise field_error(
            field, "unknown_cadence", f"{field} must be one of {', '.join(CADENCES)}, or null for one-time."
        )
    return cadence


def parse_duration(text: object, *, field: str = "duration") -> Duration:
    """The ISO 8601 duration in `text` (PT0S, P3D, P1M, P1Y6M, PT1H): whole numbers, not negative.

    InvalidInput, naming `field`, for any other text.
    """
    duration = read_duration(text) if isinstance(text, str) else None
    if duration is None:
        raise field_error(field, "not_a_duration", f'{field} must be an ISO 8601 duration such as "P1M" or "PT1H".')
    return duration


@lru_cache(maxsize=1024)
def read_duration(text: str) -> Duration | None:
    """As `parse_duration`; None where the text is none. The one parser of durations."""
    # Kept, because a close reads the same few texts for every invoice.
    match = _DURATION_TEXT.fullmatch(text)
    if match is None:
        return None
    numbers = [int(number or 0) for number in match.groups()]
    years, months, weeks, days, hours, minutes, seconds = numbers
    return Duration(
        text=match[0],
        months=12 * years + months,
        days=7 * weeks + days,
        seconds=3600 * hours + 60 * minutes + seconds,
        parts=tuple((number, unit) for number, unit in zip(numbers, _UNITS, strict=True) if number),
    )


@lru_cache(maxsize=1024)
def zone_info(zone: str) -> ZoneInfo:
    """The time zone that the IANA name `zone` stands for. InvalidInput for a name that is none."""
    try:
        if zone in _NO_ZONES:
            raise ZoneInfoNotFoundError(zone)
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise field_error(
            "timezone", "unknown_zone", f'{zone!r} is not a time zone; use an IANA name such as "Europe/Berlin".'
        ) from None


def boundary(anchor: datetime, zone: str, cadence: Cadence, n: int) -> datetime:
    """The n-th boundary, `anchor + n x cadence`, in UTC; n may be negative (billing rules 2).

    Always computed from the anchor, by its wall time in `zone`: from 31 January the next ones are the last day of
    February, 31 March, 30 April. A wall time that a clock change skips moves on by the length of the gap; one that
    comes twice is the first of the two. ValueError unless `anchor` is in UTC.
    """
    return _nth(_checked(anchor), zone, cadence, n)


def period_at(anchor: datetime, zone: str, cadence: Cadence, moment: datetime) -> Period:
    """The period between two boundaries that holds `moment` (UTC), also before the anchor."""
    _, start, end = _at(_checked(anchor), zone, cadence, _checked(moment))
    return Period(start, end)


def boundary_from(anchor: datetime, zone: str, cadence: Cadence, moment: datetime) -> datetime:
    """The first boundary at or after `moment` (UTC); one before the anchor, too."""
    _, start, end = _at(_checked(anchor), zone, cadence, _checked(moment))
    return start if start == moment else end


def periods(anchor: datetime, zone: str, cadence: Cadence, start: datetime, end: datetime) -> Iterator[Period]:
    """All periods between boundaries that share time with [start, end), whole, in order; they leave no gap.

    Where a zone skipped a whole day (Pacific/Apia, 30 December 2011), that day's period would be empty and is left out.
    """
    if end <= start:
        return
    n, here, there = _at(_checked(anchor), zone, cadence, _checked(start))
    while here < end:
        if here < there:
            yield Period(here, there)
        n += 1
        here, there = there, _nth(anchor, zone, cadence, n + 1)


def calendar_start(moment: datetime, zone: str, cadences: Iterable[Cadence]) -> datetime:
    """The latest start, by the calendar, of the longest of `cadences` at or before `moment` (UTC), local midnight in
    `zone`: Monday for weeks; the first for months; 1 January, April, July, October for quarters, and so on.

    It is one of each shorter cadence, too. Where there are weeks and months, it is a 1 January that is a Monday.
    """
    cadences = list(cadences)
    local = _local(_checked(moment), zone).replace(hour=0, minute=0, second=0, microsecond=0)
    months = max((cadence.months for cadence in cadences), default=0)
    weeks = any(cadence.days % 7 == 0 for cadence in cadences if cadence.days)
    if months and weeks:
        local = local.replace(month=1, day=1)
        while local.weekday():
            local = local.replace(year=local.year - 1)
    elif months:
        local = local.replace(month=(local.month - 1) // months * months + 1, day=1)
    elif weeks:
        local -= timedelta(days=local.weekday())
    return _to_utc(local, zone)


# Whoever starts on one day shares their boundaries, and a close asks for each of them several times.
@lru_cache(maxsize=4096)
def _at(anchor: datetime, zone: str, cadence: Cadence, moment: datetime) -> tuple[int, datetime, datetime]:
    """The number, start and end of the period that holds `moment`."""
    local, here = _local(anchor, zone), _local(moment, zone)
    if cadence.months:
        n = ((here.year - local.year) * 12 + here.month - local.month) // cadence.months
    else:
        n = (here.date() - local.date()).days // cadence.days
    if _plus(local, n * cadence.months, n * cadence.days) > here:
        n -= 1
    start, end = (_nth(anchor, zone, cadence, number) for number in (n, n + 1))
    # Wall times give n; a skipped day, a repeated hour or an anchor inside of one needs another look.
    while start > moment:
        n, start, end = n - 1, _nth(anchor, zone, cadence, n - 1), start
    while end <= moment:
        n, start, end = n + 1, end, _nth(anchor, zone, cadence, n + 2)
    return n, start, end


@lru_cache(maxsize=4096)
def _nth(anchor: datetime, zone: str, cadence: Cadence, n: int) -> datetime:
    return _to_utc(_plus(_local(anchor, zone), n * cadence.months, n * cadence.days), zone) if n else anchor


def _plus(local: datetime, months: int, days: int) -> datetime:
    if months:
        year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
        day = local.day
        if day > 28:
            day = min(day, _DAYS_IN_MONTH[month] + (month == 1 and calendar.isleap(year)))
        local = local.replace(year=year, month=month + 1, day=day)
    return local + timedelta(days=days) if days else local


def _local(moment: datetime, zone: str) -> datetime:
    if zone == "UTC":
        return moment.replace(tzinfo=None)
    return moment.astimezone(zone_info(zone)).replace(tzinfo=None)


def _to_utc(local: datetime, zone: str) -> datetime:
    if zone == "UTC":
        return local.replace(tzinfo=UTC)
    # With fold=0, zoneinfo takes the first of two equal wall times, and reads a skipped one by the offset before the
    # gap, which moves it on by the gap.
    return local.replace(tzinfo=zone_info(zone), fold=0).astimezone(UTC)


def _checked(moment: datetime) -> datetime:
    if moment.tzinfo is not UTC and (moment.tzinfo is None or moment.utcoffset() != timedelta(0)):
        raise ValueError(f"{moment!r} is not a time in UTC.")
    return moment
