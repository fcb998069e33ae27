"""What the customers of the demo company use: events and reported quantities, the same in every seeding."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from billing_site.demo.catalog import API_EVENT, COMPUTE_EVENT, SMS_EVENT
from billing_site.demo.companies import BUSINESS, ENTERPRISE, STARTER, TEAM, Anchor, Company, Trait

SOURCE = "edge-collector"
_MINUTES_BEFORE = 25


def batch_hour(company: Company) -> int:
    """The hour (UTC) at which a company's usage of the day is sent: in its evening, far from the start of a period."""
    region = company.place.zone.partition("/")[0]
    return {"Asia": 8, "Australia": 8, "Europe": 16, "America": 23}[region]


def events_of_day(company: Company, sent_at: datetime) -> Iterator[dict[str, Any]]:
    """The CloudEvents of one company that are sent at `sent_at`, each from the minutes before."""
    random = Random(f"{company.key}:{sent_at:%Y-%m-%d}")
    weekend = sent_at.weekday() >= 5
    if company.plan in (STARTER, TEAM):
        base = company.size * (1100 if company.plan == STARTER else 1700) + company.seats * 350
        calls = int(base * random.uniform(0.6, 1.4) * (0.4 if weekend else 1))
        yield _event(company, API_EVENT, sent_at, random, {"calls": calls})
    if company.plan in (BUSINESS, ENTERPRISE) and not weekend:
        base = company.size * (6 if company.plan == BUSINESS else 45)
        hours = Decimal(str(round(base * random.uniform(0.5, 1.5), 1)))
        region = random.choice(("eu-central", "us-east", "ap-north"))
        yield _event(company, COMPUTE_EVENT, sent_at, random, {"hours": hours, "region": region})
    if Trait.SMS in company.traits:
        for number in range(random.randint(2, 9)):
            yield _event(company, SMS_EVENT, sent_at, random, None, number)


def events_found_late(company: Company, used_at: datetime) -> list[dict[str, Any]]:
    """The CloudEvents of compute at `used_at` that a collector had kept back: 40 hours for each step of its size."""
    event = {
        "specversion": "1.0",
        "id": f"{company.key}-{COMPUTE_EVENT}-kept-back-{used_at:%Y%m%d}",
        "source": SOURCE,
        "type": COMPUTE_EVENT,
        "subject": company.key,
        "time": f"{used_at:%Y-%m-%dT%H:%M:%SZ}",
        "data": {"hours": Decimal(40 * company.size), "region": "eu-central"},
    }
    return [event]


def storage_of_month(company: Company, month: int) -> Decimal | None:
    """What a company reports beyond its included storage, in GB; None in the months in which it forgets to."""
    if Trait.FORGETS_REPORTS in company.traits and month % 3 == 1:
        return None
    random = Random(f"{company.key}:storage:{month}")
    unit = 100 if company.plan == ENTERPRISE else 12
    return Decimal(company.size * unit * (month + 2) // 3 + random.randint(0, 3 * unit))


def _event(
    company: Company,
    kind: str,
    sent_at: datetime,
    random: Random,
    data: dict[str, Any] | None,
    number: int = 0,
) -> dict[str, Any]:
    # Periods that begin at odd hours must not begin between an event and its sending: it would be late usage.
    odd = company.anchor in (Anchor.JUST_CLOSED, Anchor.LEFT_OPEN, Anchor.SOON) or company.month is None
    time = sent_at if odd else sent_at - timedelta(seconds=random.randint(0, _MINUTES_BEFORE * 60))
    return {
        "specversion": "1.0",
        "id": f"{company.key}-{kind}-{sent_at:%Y%m%d}-{number}",
        "source": SOURCE,
        "type": kind,
        "subject": company.key,
        "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "data": data,
    }
