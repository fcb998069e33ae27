"""Periods: boundaries from the anchor, months' ends, leap years, clock changes, durations, fractions."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.errors import InvalidInput
from core.periods import (
    CADENCES,
    Period,
    boundary,
    boundary_from,
    calendar_start,
    fraction,
    parse_cadence,
    parse_duration,
    period_at,
    periods,
)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def boundaries(anchor, zone, cadence, numbers):
    return [boundary(utc(anchor), zone, CADENCES[cadence], n).strftime("%Y-%m-%d %H:%M") for n in numbers]


def test_an_anchor_on_31_january_gives_the_last_days_of_shorter_months_and_never_drifts():
    assert boundaries("2028-01-31", "UTC", "P1M", range(5)) == [
        "2028-01-31 00:00",
        "2028-02-29 00:00",
        "2028-03-31 00:00",
        "2028-04-30 00:00",
        "2028-05-31 00:00",
    ]


@pytest.mark.parametrize(
    ("cadence", "expected"),
    [
        ("P1D", "2026-02-01 00:00"),
        ("P1W", "2026-02-07 00:00"),
        ("P2W", "2026-02-14 00:00"),
        ("P4W", "2026-02-28 00:00"),
        ("P1M", "2026-02-28 00:00"),
        ("P3M", "2026-04-30 00:00"),
        ("P6M", "2026-07-31 00:00"),
        ("P1Y", "2027-01-31 00:00"),
    ],
)
def test_each_cadence_has_its_own_next_boundary(cadence, expected):
    assert boundaries("2026-01-31", "UTC", cadence, [1]) == [expected]


def test_a_leap_day_anchor_falls_on_28_february_in_common_years():
    assert boundaries("2028-02-29", "UTC", "P1Y", [-4, -1, 1, 4]) == [
        "2024-02-29 00:00",
        "2027-02-28 00:00",
        "2029-02-28 00:00",
        "2032-02-29 00:00",
    ]


def test_the_centuries_that_are_no_leap_years_are_known():
    assert boundaries("2096-02-29", "UTC", "P1Y", [4]) == ["2100-02-28 00:00"]


def test_boundaries_before_the_anchor_are_computed_from_it_too():
    assert boundaries("2026-03-31", "UTC", "P1M", [-1, -2, -13]) == [
        "2026-02-28 00:00",
        "2026-01-31 00:00",
        "2025-02-28 00:00",
    ]


def test_boundaries_keep_the_wall_time_of_the_zone_across_clock_changes():
    # Midnight in Berlin is 23:00 UTC in winter and 22:00 UTC in summer.
    assert boundaries("2026-02-28 23:00", "Europe/Berlin", "P1M", range(3)) == [
        "2026-02-28 23:00",
        "2026-03-31 22:00",
        "2026-04-30 22:00",
    ]


def test_a_wall_time_that_a_clock_change_skips_moves_on_by_the_gap():
    # 02:30 on 29 March 2026 does not exist in Berlin: 03:30 summer time, 01:30 UTC.
    assert boundaries("2026-03-28 01:30", "Europe/Berlin", "P1D", range(3)) == [
        "2026-03-28 01:30",
        "2026-03-29 01:30",
        "2026-03-30 00:30",
    ]


def test_a_wall_time_that_comes_twice_is_the_first_of_the_two():
    # 02:30 on 25 October 2026 comes at 00:30 UTC (summer time) and at 01:30 UTC.
    assert boundaries("2026-10-24 00:30", "Europe/Berlin", "P1D", range(3)) == [
        "2026-10-24 00:30",
        "2026-10-25 00:30",
        "2026-10-26 01:30",
    ]


def test_an_anchor_in_the_second_of_two_equal_hours_stays_where_it_is():
    assert boundaries("2026-10-25 01:30", "Europe/Berlin", "P1Y", [0, 1]) == ["2026-10-25 01:30", "2027-10-25 00:30"]


def test_a_zone_without_whole_hours_keeps_its_wall_time():
    # Midnight in Kathmandu is 18:15 UTC of the day before; the local anchor is 1 February.
    assert boundaries("2026-01-31 18:15", "Asia/Kathmandu", "P1M", [1]) == ["2026-02-28 18:15"]


def test_a_day_that_a_zone_skipped_gives_no_empty_period():
    # Apia went from 29 December 2011 straight to 31 December.
    anchor = utc("2011-12-28 22:00")  # 12:00 on 28 December, local
    days = list(periods(anchor, "Pacific/Apia", CADENCES["P1D"], anchor, utc("2011-12-31 22:00")))
    assert [day.start.strftime("%d %H:%M") for day in days] == ["28 22:00", "29 22:00", "30 22:00"]
    assert all(not day.is_empty for day in days)


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-01-31 00:00", "2026-01-31", "2026-02-28"),
        ("2026-02-27 23:59", "2026-01-31", "2026-02-28"),
        ("2026-02-28 00:00", "2026-02-28", "2026-03-31"),
        ("2026-01-30 23:59", "2025-12-31", "2026-01-31"),
        ("2031-06-30 00:00", "2031-06-30", "2031-07-31"),
    ],
)
def test_a_moment_lies_in_the_period_that_starts_at_or_before_it_and_ends_after_it(moment, start, end):
    assert period_at(utc("2026-01-31"), "UTC", CADENCES["P1M"], utc(moment)) == Period(utc(start), utc(end))


@pytest.mark.parametrize(
    ("zone", "anchor", "moment", "start", "end"),
    [
        # Berlin's 25 October 2026 has 02:00 to 03:00 twice: at 00:00 and at 01:00 UTC. 02:30 is the first of the two.
        ("Europe/Berlin", "2026-10-24 00:30", "2026-10-25 00:29", "2026-10-24 00:30", "2026-10-25 00:30"),
        ("Europe/Berlin", "2026-10-24 00:30", "2026-10-25 00:30", "2026-10-25 00:30", "2026-10-26 01:30"),
        ("Europe/Berlin", "2026-10-24 00:30", "2026-10-25 01:00", "2026-10-25 00:30", "2026-10-26 01:30"),
        ("Europe/Berlin", "2026-10-24 00:30", "2026-10-25 01:30", "2026-10-25 00:30", "2026-10-26 01:30"),
        # An anchor in the second of the two: the hour before it belongs to the day before.
        ("Europe/Berlin", "2026-10-25 01:00", "2026-10-25 00:00", "2026-10-24 00:00", "2026-10-25 01:00"),
        ("Europe/Berlin", "2026-10-25 01:00", "2026-10-25 00:59", "2026-10-24 00:00", "2026-10-25 01:00"),
        ("Europe/Berlin", "2026-10-25 01:00", "2026-10-25 01:00", "2026-10-25 01:00", "2026-10-26 01:00"),
        # 29 March 2026 lacks 02:00 to 03:00: 02:30 moves on to 03:30, 01:30 UTC.
        ("Europe/Berlin", "2026-03-28 01:30", "2026-03-29 01:29", "2026-03-28 01:30", "2026-03-29 01:30"),
        ("Europe/Berlin", "2026-03-28 01:30", "2026-03-29 01:30", "2026-03-29 01:30", "2026-03-30 00:30"),
        # Lord Howe goes back by half an hour: 01:45 on 5 April 2026 is at 14:45 and at 15:15 UTC of the 4th.
        ("Australia/Lord_Howe", "2026-04-03 14:45", "2026-04-04 15:10", "2026-04-04 14:45", "2026-04-05 15:15"),
        ("Australia/Lord_Howe", "2026-04-03 14:45", "2026-04-04 14:44", "2026-04-03 14:45", "2026-04-04 14:45"),
        # Sao Paulo's 4 November 2018 began at 01:00: midnight moves on to 03:00 UTC.
        ("America/Sao_Paulo", "2018-11-03 03:00", "2018-11-04 02:59", "2018-11-03 03:00", "2018-11-04 03:00"),
        ("America/Sao_Paulo", "2018-11-03 03:00", "2018-11-05 01:59", "2018-11-04 03:00", "2018-11-05 02:00"),
    ],
)
def test_each_moment_of_a_day_with_a_clock_change_lies_in_one_day(zone, anchor, moment, start, end):
    assert period_at(utc(anchor), zone, CADENCES["P1D"], utc(moment)) == Period(utc(start), utc(end))


def test_periods_are_whole_and_cover_the_asked_time():
    found = list(periods(utc("2026-01-15"), "UTC", CADENCES["P1M"], utc("2026-02-01"), utc("2026-03-15")))
    assert found == [Period(utc("2026-01-15"), utc("2026-02-15")), Period(utc("2026-02-15"), utc("2026-03-15"))]


def test_no_periods_cover_no_time():
    assert list(periods(utc("2026-01-15"), "UTC", CADENCES["P1M"], utc("2026-02-01"), utc("2026-02-01"))) == []


@pytest.mark.parametrize(
    ("cadences", "start"),
    [
        (["P1D"], "2027-05-20"),
        (["P1W"], "2027-05-17"),
        (["P2W"], "2027-05-17"),
        (["P4W", "P1D"], "2027-05-17"),
        (["P1M"], "2027-05-01"),
        (["P3M", "P1M"], "2027-04-01"),
        (["P6M"], "2027-01-01"),
        (["P1M", "P1Y"], "2027-01-01"),
        # 1 January 2024 was a Monday.
        (["P1M", "P1W"], "2024-01-01"),
    ],
)
def test_the_calendar_begins_on_mondays_and_on_the_first(cadences, start):
    """20 May 2027 was a Thursday."""
    assert calendar_start(utc("2027-05-20 12:30"), "UTC", [CADENCES[text] for text in cadences]) == utc(start)


def test_the_calendar_is_that_of_the_zone():
    # 31 March 23:30 UTC is already 1 April in Berlin, whose midnight is 22:00 UTC.
    assert calendar_start(utc("2026-03-31 23:30"), "Europe/Berlin", [CADENCES["P1M"]]) == utc("2026-03-31 22:00")
    assert calendar_start(utc("2026-03-31 23:30"), "UTC", [CADENCES["P1M"]]) == utc("2026-03-01")
    # 30 December 2026 23:30 UTC is a Thursday in Berlin; the Monday of that week began in winter time, at 23:00 UTC.
    assert calendar_start(utc("2026-12-30 23:30"), "Europe/Berlin", [CADENCES["P1W"]]) == utc("2026-12-27 23:00")


def test_times_outside_utc_are_refused():
    with pytest.raises(ValueError, match="not a time in UTC"):
        boundary(datetime(2026, 1, 1), "UTC", CADENCES["P1M"], 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="not a time in UTC"):
        boundary(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))), "UTC", CADENCES["P1M"], 1)


def test_an_unknown_zone_is_refused():
    for zone in ("Mars/Base", "", "../etc/passwd", "Europe"):
        with pytest.raises(InvalidInput):
            boundary(utc("2026-01-01"), zone, CADENCES["P1M"], 1)


def test_cadences_are_the_eight_and_one_time():
    assert parse_cadence(None) is None
    assert list(CADENCES) == ["P1D", "P1W", "P2W", "P4W", "P1M", "P3M", "P6M", "P1Y"]
    given: tuple[Any, ...] = ("P2M", "p1m", "P1M ", "", "P0M", "PT1H", 1)
    for text in given:
        with pytest.raises(InvalidInput) as caught:
            parse_cadence(text, field="phases.0.billingCadence")
        assert caught.value.problems[0].field == "phases.0.billingCadence"


@pytest.mark.parametrize(
    ("text", "months", "days", "seconds"),
    [
        ("PT0S", 0, 0, 0),
        ("P0D", 0, 0, 0),
        ("P3D", 0, 3, 0),
        ("P30D", 0, 30, 0),
        ("P45D", 0, 45, 0),
        ("PT1H", 0, 0, 3600),
        ("P1M", 1, 0, 0),
        ("P1Y6M", 18, 0, 0),
        ("P2W", 0, 14, 0),
        ("P1Y2M3W4DT5H6M7S", 14, 25, 18367),
        ("PT90M", 0, 0, 5400),
    ],
)
def test_a_duration_is_read_into_months_days_and_seconds(text, months, days, seconds):
    duration = parse_duration(text)
    assert (duration.months, duration.days, duration.seconds) == (months, days, seconds)
    assert duration.text == text


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "1D", "P-1D", "-P1D", "P1.5D", "P1DT", "P1H", "p1d", None, 3, "P1D\n"]
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(InvalidInput):
        parse_duration(text)


def test_a_duration_counts_days_by_the_wall_and_hours_by_the_clock():
    start = utc("2026-03-28 11:00")  # 12:00 in Berlin, the day before summer time
    assert parse_duration("P1D").after(start, "Europe/Berlin") == utc("2026-03-29 10:00")
    assert parse_duration("PT24H").after(start, "Europe/Berlin") == utc("2026-03-29 11:00")
    assert parse_duration("P1M").after(utc("2026-01-31")) == utc("2026-02-28")
    assert parse_duration("PT0S").after(start) == start
    assert parse_duration("PT0S").is_zero


def test_a_fraction_is_billed_seconds_over_full_seconds():
    month = Period(utc("2026-03-01"), utc("2026-04-01"))
    assert fraction(Period(utc("2026-03-02"), utc("2026-04-01")), month) == (30 * 86400, 31 * 86400)
    assert fraction(month, month) == (31 * 86400, 31 * 86400)
    assert fraction(Period(utc("2026-03-01"), utc("2026-05-01")), month) == (61 * 86400, 31 * 86400)


def test_a_fraction_of_broken_seconds_is_counted_in_microseconds():
    whole = Period(utc("2026-03-01"), utc("2026-03-02"))
    part = Period(utc("2026-03-01"), utc("2026-03-01 00:00:00.5"))
    assert fraction(part, whole) == (500_000, 86_400_000_000)


def test_nothing_is_a_fraction_of_an_empty_period():
    moment = utc("2026-03-01")
    with pytest.raises(ValueError, match="empty period"):
        fraction(Period(moment, moment), Period(moment, moment))


def test_a_period_is_half_open_and_never_backwards():
    march = Period(utc("2026-03-01"), utc("2026-04-01"))
    april = Period(utc("2026-04-01"), utc("2026-05-01"))
    assert march.start in march
    assert march.end not in march
    with pytest.raises(ValueError, match="before it starts"):
        Period(april.start, march.start)


def test_a_moment_in_another_zone_is_refused_also_after_the_same_one_in_utc():
    start, month = datetime(2026, 3, 17, tzinfo=UTC), CADENCES["P1M"]
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert period_at(start, "UTC", month, moment) == Period(utc("2026-06-17"), utc("2026-07-17"))
    with pytest.raises(ValueError, match="not a time in UTC"):
        period_at(start, "UTC", month, moment.astimezone(ZoneInfo("Europe/Berlin")))


@pytest.mark.parametrize(
    ("anchor", "zone", "cadence", "moment", "expected"),
    [
        ("2026-01-01", "UTC", "P1M", "2026-04-17", "2026-05-01"),
        ("2026-01-01", "UTC", "P1M", "2026-05-01", "2026-05-01"),
        ("2026-01-01", "UTC", "P1M", "2026-05-01T00:00:01", "2026-06-01"),
        # Before the anchor, too.
        ("2026-08-01", "UTC", "P1M", "2026-04-17", "2026-05-01"),
        ("2026-01-31", "UTC", "P1M", "2026-02-10", "2026-02-28"),
        ("2026-01-31", "UTC", "P1M", "2026-02-28T00:00:01", "2026-03-31"),
        ("2026-01-31", "UTC", "P1M", "2028-02-10", "2028-02-29"),
        ("2026-01-01", "UTC", "P3M", "2026-04-01T00:00:01", "2026-07-01"),
        ("2026-01-05", "UTC", "P2W", "2026-01-06", "2026-01-19"),
        # Midnight of the first in Berlin, in winter and in summer time.
        ("2025-12-31T23:00", "Europe/Berlin", "P1M", "2026-02-03", "2026-02-28T23:00"),
        ("2025-12-31T23:00", "Europe/Berlin", "P1M", "2026-03-29", "2026-03-31T22:00"),
        # The hour that is skipped on 29 March moves on by the gap.
        ("2026-01-29T01:30", "Europe/Berlin", "P1M", "2026-03-01", "2026-03-29T01:30"),
    ],
)
def test_the_first_boundary_at_or_after_a_moment(anchor, zone, cadence, moment, expected):
    assert boundary_from(utc(anchor), zone, CADENCES[cadence], utc(moment)) == utc(expected)
