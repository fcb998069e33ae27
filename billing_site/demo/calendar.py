"""When things happen in the demo company's story, all counted back from the present. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing_site.demo.companies import COMPANIES, Anchor, Company
from core.periods import Duration, zone_info

MONTHS = 8
# What fell due in these last hours is left to worker and beat.
LEFT_TO_THE_SYSTEM = timedelta(hours=36)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The story runs from `start`, the first of a month, to `present`; `end` is up to when it is billed. In UTC."""

    present: datetime

    @property
    def start(self) -> datetime:
        return self.month(0)

    @property
    def end(self) -> datetime:
        return self.present - LEFT_TO_THE_SYSTEM

    def month(self, number: int) -> datetime:
        """The first day of a month of the story, from 0; the present month is number `MONTHS`."""
        months = self.present.year * 12 + self.present.month - 1 - MONTHS + number
        return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)

    def day(self, month: int, day: int, hour: int = 9, minute: int = 30, zone: str = "UTC") -> datetime:
        """A wall time of `zone` in a month of the story, in UTC."""
        first = self.month(month)
        return datetime(first.year, first.month, day, hour, minute, tzinfo=zone_info(zone)).astimezone(UTC)

    def started(self, company: Company) -> datetime:
        """When the company subscribed."""
        if company.month is None:
            newest = [other for other in COMPANIES if other.month is None]
            return _hour(self.present - timedelta(hours=4 + 7 * newest.index(company)))
        return self.day(company.month, company.day, zone=company.place.zone)

    def anchor(self, company: Company) -> datetime | None:
        """A boundary of the company's periods; None where they begin with its subscription."""
        alike = [other for other in COMPANIES if other.anchor == company.anchor]
        position = alike.index(company)
        zone = company.place.zone
        match company.anchor:
            case Anchor.START:
                return None
            case Anchor.CALENDAR:
                return self.day(company.month or 0, 1, hour=0, minute=0, zone=zone)
            case Anchor.THE_31ST:
                return datetime(self.start.year, 1, 31, tzinfo=zone_info(zone)).astimezone(UTC)
            case Anchor.JUST_CLOSED:
                return _hour(self.end - timedelta(hours=2 + 3 * position))
            case Anchor.LEFT_OPEN:
                return _hour(self.present - timedelta(hours=1 + 3 * position))
            case Anchor.SOON:
                return self.present.replace(second=0, microsecond=0) + timedelta(minutes=3 + 3 * position)


def later(moment: datetime, *, days: int) -> datetime:
    """So many days later, at the same time in UTC."""
    return Duration("", 0, days, 0).after(moment)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
