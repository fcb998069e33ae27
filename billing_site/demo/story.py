"""What happens in the demo company, step by step: the customers' lives, their usage, and the finance desk."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from billing_site.demo import acts
from billing_site.demo.bank import import_newest_statement
from billing_site.demo.calendar import MONTHS, Calendar, later
from billing_site.demo.cast import Cast
from billing_site.demo.companies import COMPANIES, ENTERPRISE, TEAM, Company, Trait
from billing_site.demo.history import Step
from billing_site.demo.moves import moves
from billing_site.demo.profiles import Profiles
from billing_site.demo.usage import batch_hour, storage_of_month
from core.periods import parse_duration

# Drafts of these last days are still on the approver's desk.
UNREVIEWED = timedelta(days=6)
_TRIAL = parse_duration("P14D")
_BACKDATED = timedelta(days=8)
_STATEMENT_BEFORE = timedelta(hours=2)
_EDITED_BEFORE = timedelta(minutes=30)
_UNREADABLE_AFTER = timedelta(days=3)


def steps(calendar: Calendar, cast: Cast, profiles: Profiles) -> list[Step]:
    """All steps up to the present, in order of time."""
    told = [
        *(step for company in COMPANIES for step in _life(company, calendar, cast, profiles)),
        *_usage(calendar, cast),
        *_desk(calendar, cast),
        *moves(calendar, cast),
        Step(calendar.day(6, 12), cast.product, acts.retire_text_messages),
        Step(calendar.end - _STATEMENT_BEFORE, cast.clerk, import_newest_statement),
    ]
    return sorted((step for step in told if step.at <= calendar.present), key=lambda step: step.at)


def _life(company: Company, calendar: Calendar, cast: Cast, profiles: Profiles) -> Iterator[Step]:
    """What one customer does."""
    started = calendar.started(company)
    subscribed = started + _BACKDATED if Trait.GPU in company.traits else started
    if Trait.GPU in company.traits:
        yield Step(started + _UNREADABLE_AFTER, cast.product, partial(acts.send_unreadable_usage, company))
        yield Step(subscribed - timedelta(hours=2), cast.product, acts.measure_gpu)
    yield Step(min(started, subscribed) - timedelta(hours=1), cast.clerk, partial(acts.sign_up, company, profiles))
    yield Step(subscribed, cast.product, partial(acts.subscribe, company, started, calendar.anchor(company)))
    if Trait.COUPON in company.traits:
        # Where the seats are free at first, the coupon counts from when they cost something.
        from_then = _TRIAL.after(started, company.place.zone) if company.plan == TEAM else started
        yield Step(from_then, cast.product, partial(acts.redeem_welcome_coupon, company))
    if Trait.MORE_CALLS in company.traits:
        launch = partial(
            acts.grant_calls, company, Decimal(60_000), 90, "For the launch in spring, as agreed with sales"
        )
        yield Step(later(calendar.present, days=-40), cast.clerk, launch)
        outage = partial(acts.grant_calls, company, Decimal(5_000), 30, "Goodwill for the outage of our edge network")
        yield Step(later(calendar.present, days=-9), cast.clerk, outage)
    if Trait.IN_PARTS in company.traits:
        for days in (-9, -2):
            yield Step(later(calendar.present, days=days), cast.approver, partial(acts.split_usage, company))
    if Trait.SENDS_LATE in company.traits:
        used_at = calendar.day(MONTHS - 2, 26)
        found = partial(acts.send_usage_late, company, used_at)
        yield Step(later(calendar.present, days=-3), cast.product, found)
    if Trait.ONBOARDED in company.traits:
        yield Step(calendar.end - _EDITED_BEFORE, cast.clerk, partial(acts.charge_on_draft, company))
    if company.month is not None:
        yield from _seats(company, company.month, calendar, cast)
        yield from _cards(company, company.month, calendar, cast)
    if company.plan in (TEAM, ENTERPRISE):
        for month in range(company.month if company.month is not None else MONTHS, MONTHS + 1):
            at = calendar.day(month, 24, hour=18, zone=company.place.zone)
            gigabytes = storage_of_month(company, month)
            if at > subscribed and gigabytes is not None:
                yield Step(at, cast.product, partial(acts.report_storage, company, gigabytes))


def _seats(company: Company, joined: int, calendar: Calendar, cast: Cast) -> Iterator[Step]:
    def change(month: int, day: int, seats: int, *, align: bool, extend: bool = False) -> Step:
        at = calendar.day(joined + month, day, hour=14, zone=company.place.zone)
        return Step(at, cast.product, partial(acts.change_seats, company, seats, align=align, extend=extend))

    seats = company.seats
    if Trait.SEATS_GROW in company.traits:
        yield change(1, 11, seats + 3, align=True)
        yield change(4, 20, seats + 5, align=True)
    if Trait.SEATS_SHRINK in company.traits:
        yield change(3, 9, seats - 6, align=False)
    if Trait.SEATS_EXTEND in company.traits:
        yield change(2, 12, seats + 3, align=True, extend=True)


def _cards(company: Company, joined: int, calendar: Calendar, cast: Cast) -> Iterator[Step]:
    def answer(at: datetime, outcome: str) -> Step:
        return Step(at, cast.product, partial(acts.set_card, company, outcome))

    if Trait.DECLINES in company.traits:
        yield answer(calendar.day(6, 20), "decline")
    if Trait.DECLINED_ONCE in company.traits:
        yield answer(calendar.day(joined + 2, 26), "decline")
        yield answer(calendar.day(joined + 3, 5), "succeed")
    newest = calendar.end - timedelta(hours=34)
    if company.traits & {Trait.DECLINES_NOW, Trait.LONGER_TERM}:
        yield answer(newest, "decline")
    if Trait.MUST_CONFIRM in company.traits:
        yield answer(newest, "action_required")


def _usage(calendar: Calendar, cast: Cast) -> Iterator[Step]:
    """Every day, each region sends what its companies used."""
    since = {company: calendar.started(company) for company in COMPANIES}
    quiet_since = later(calendar.present, days=-35)
    day = calendar.start
    while day <= calendar.present:
        for hour in sorted({batch_hour(company) for company in COMPANIES}):
            at = day.replace(hour=hour)
            sending = [
                company
                for company in COMPANIES
                if batch_hour(company) == hour
                and since[company] < at
                and not (Trait.WENT_QUIET in company.traits and at > quiet_since)
            ]
            if sending:
                yield Step(at, cast.product, partial(acts.send_usage, sending))
        day = later(day, days=1)


def _desk(calendar: Calendar, cast: Cast) -> Iterator[Step]:
    """Every working day the approver looks at drafts, and the clerk at the bank statement."""
    payers = {company.key: company for company in COMPANIES if company.by_bank_transfer}
    day = calendar.start
    while day <= calendar.end:
        if day.weekday() < 5:
            at = day.replace(hour=15)
            seen = min(at - timedelta(days=1), calendar.end - UNREVIEWED)
            yield Step(at, cast.approver, partial(acts.approve_drafts, seen))
            stopped_since = calendar.month(4)
            book = partial(acts.book_transfers, payers, stopped_since)
            yield Step(at, cast.clerk, book)
        day = later(day, days=1)
