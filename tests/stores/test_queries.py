"""What a meter's query answers: windows in time zones, clock changes, groups, customers."""

import pytest

from entitlements.metering.reading import MAX_ROWS
from tests.stores.conftest import event
from tests.support.clock import at
from tests.support.customers import make_customer

MARCH = ("2026-03-01", "2026-04-01")


def sent(house, *times, **overrides):
    house.send(*(event(f"{time} {overrides}", time, 2**n, **overrides) for n, time in enumerate(times)))


def test_without_windows_there_is_one_row_of_the_time_asked_for(house):
    meter = house.meter()
    sent(house, "2026-03-02T10:15", "2026-03-02T11:00", "2026-03-05T00:00")

    assert house.query(meter, *MARCH) == [("03-01", "04-01", "7")]
    assert house.query(meter, "2026-03-02T10:16") == [("03-02T10:16", "03-05", "6")]
    assert house.query(meter) == [("03-02T10:15", "03-05", "7")]
    assert house.query(meter, "2026-04-01") == []


@pytest.mark.parametrize(
    ("window", "rows"),
    [
        ("MINUTE", [("03-02T10:15", "03-02T10:16", "3"), ("03-02T10:59", "03-02T11:00", "4"),
                    ("03-02T11:00", "03-02T11:01", "8")]),
        ("HOUR", [("03-02T10:00", "03-02T11:00", "7"), ("03-02T11:00", "03-02T12:00", "8")]),
        ("DAY", [("03-02", "03-03", "15")]),
        ("MONTH", [("03-01", "04-01", "15")]),
    ],
)  # fmt: skip
def test_windows(house, window, rows):
    meter = house.meter()
    sent(house, "2026-03-02T10:15", "2026-03-02T10:15:59.999999", "2026-03-02T10:59:59", "2026-03-02T11:00")

    assert house.query(meter, *MARCH, window=window) == rows


def test_the_time_asked_for_cuts_windows_and_not_their_bounds(house):
    meter = house.meter()
    sent(house, "2026-03-02T10:15", "2026-03-02T10:45", "2026-03-02T11:00")

    assert house.query(meter, "2026-03-02T10:30", "2026-03-02T11:00", window="DAY") == [("03-02", "03-03", "2")]


@pytest.mark.parametrize(
    ("zone", "window", "times", "rows"),
    [
        # Summer begins on 29 March in Berlin: that day has 23 hours. 23:00 UTC belongs to the next day, then 22:00.
        ("Europe/Berlin", "DAY", ("2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59", "2026-03-29T22:00"),
         [("03-27T23:00", "03-28T23:00", "1"), ("03-28T23:00", "03-29T22:00", "6"),
          ("03-29T22:00", "03-30T22:00", "8")]),
        ("Europe/Berlin", "MONTH", ("2026-02-28T23:00", "2026-03-31T21:59", "2026-03-31T22:00"),
         [("02-28T23:00", "03-31T22:00", "3"), ("03-31T22:00", "04-30T22:00", "4")]),
        # The hour from two to three comes twice on 25 October: two windows.
        ("Europe/Berlin", "HOUR", ("2026-10-25T00:30", "2026-10-25T01:30"),
         [("10-25", "10-25T01:00", "1"), ("10-25T01:00", "10-25T02:00", "2")]),
        ("Europe/Berlin", "DAY", ("2026-10-24T22:00", "2026-10-25T22:59:59"), [("10-24T22:00", "10-25T23:00", "3")]),
        # Half an hour, and three quarters, beside the hour in UTC.
        ("Asia/Kolkata", "HOUR", ("2026-03-02T10:29", "2026-03-02T10:30"),
         [("03-02T09:30", "03-02T10:30", "1"), ("03-02T10:30", "03-02T11:30", "2")]),
        ("Asia/Kathmandu", "DAY", ("2026-03-02T18:14", "2026-03-02T18:15"),
         [("03-01T18:15", "03-02T18:15", "1"), ("03-02T18:15", "03-03T18:15", "2")]),
        # In Santiago the clock goes from midnight to one on 6 September: the day begins at one.
        ("America/Santiago", "DAY", ("2026-09-06T03:59", "2026-09-06T04:00"),
         [("09-05T04:00", "09-06T04:00", "1"), ("09-06T04:00", "09-07T03:00", "2")]),
        # And from midnight back to eleven on 5 April, which comes twice, all within the 4th.
        ("America/Santiago", "DAY", ("2026-04-05T03:30", "2026-04-05T04:00"),
         [("04-04T03:00", "04-05T04:00", "1"), ("04-05T04:00", "04-06T04:00", "2")]),
        # In Havana midnight to one comes twice on 1 November: the day begins at the second midnight, as in PostgreSQL.
        ("America/Havana", "DAY", ("2026-11-01T05:30", "2026-11-02T05:00"),
         [("11-01T05:00", "11-02T05:00", "1"), ("11-02T05:00", "11-03T05:00", "2")]),
        # Half an hour of summer time: the two hours overlap on the clock.
        ("Australia/Lord_Howe", "HOUR", ("2026-04-04T14:45", "2026-04-04T15:15"),
         [("04-04T14:00", "04-04T15:00", "1"), ("04-04T14:30", "04-04T15:30", "2")]),
    ],
)  # fmt: skip
def test_windows_are_those_of_the_time_zone(house, zone, window, times, rows):
    meter = house.meter()
    sent(house, *times)

    assert house.query(meter, window=window, time_zone=zone) == rows


def test_groups_come_in_order_and_what_has_no_value_last(house):
    meter = house.meter(group_by={"model": "$.model", "user": "$.user"})
    texts = ("b", "B", "ä", "", None, "a")
    data = [{"value": 2**n, "model": text, "user": "u"} for n, text in enumerate(texts)]
    house.send(*(event(str(n), "2026-03-02T10:00", fields) for n, fields in enumerate(data)))

    rows = house.query(meter, *MARCH, group_by=("model", "user"))
    assert [row[2:] for row in rows] == [
        ("8", "", "u"),
        ("2", "B", "u"),
        ("32", "a", "u"),
        ("1", "b", "u"),
        ("4", "ä", "u"),
        ("16", None, "u"),
    ]
    assert house.store.group_values(meter, "model", start=None, end=None) == ["", "B", "a", "b", "ä"]
    assert house.query(meter, *MARCH, group_by=("model",), window="DAY")[0] == ("03-02", "03-03", "8", "")


@pytest.mark.parametrize(
    ("aggregation", "values"),
    [
        ("SUM", ["3", "12"]),
        ("COUNT", ["2", "2"]),
        ("UNIQUE_COUNT", ["2", "2"]),
        ("AVG", ["1.5", "6"]),
        ("MIN", ["1", "4"]),
        ("MAX", ["2", "8"]),
        ("LATEST", ["2", "8"]),
    ],
)
def test_each_aggregation_by_day(house, aggregation, values):
    meter = house.meter(aggregation)
    sent(house, "2026-03-02T10:15", "2026-03-02T10:45", "2026-03-03T00:00", "2026-03-03T23:59")

    assert [row[2] for row in house.query(meter, *MARCH, window="DAY")] == values


def test_subjects_and_dimensions_narrow_a_query(house):
    meter = house.meter()
    sent(house, "2026-03-02T10:15", "2026-03-02T10:45")
    sent(house, "2026-03-02T10:15", subject="bolt")
    house.send(event("c", "2026-03-02T12:00", {"value": 64, "model": "c"}))

    assert house.query(meter, *MARCH, group_by=("subject",)) == [
        ("03-01", "04-01", "67", "acme"),
        ("03-01", "04-01", "1", "bolt"),
    ]
    assert house.query(meter, *MARCH, subjects=["bolt", "cog"]) == [("03-01", "04-01", "1")]
    assert house.query(meter, *MARCH, subjects=[]) == []
    assert house.query(meter, *MARCH, filters={"model": ["c", "d"]}) == [("03-01", "04-01", "64")]
    assert house.query(meter, *MARCH, filters={"model": ["a"], "subject": ["acme"]}) == [("03-01", "04-01", "3")]
    assert house.store.group_values(meter, "subject", start=None, end=at("2026-03-02T10:45")) == ["acme", "bolt"]
    assert house.store.group_values(meter, "model", start=at("2026-03-02T10:46"), end=None) == ["c"]


def test_customers_have_their_subjects_usage_of_their_time(house):
    meter = house.meter()
    acme, bolt = make_customer(subjects=()), make_customer(key="bolt", name="Bolt", subjects=("b",))
    acme.usage_subjects.create(key="robot", deleted_at=at("2026-03-02T10:45"))
    bolt.usage_subjects.create(key="robot", active_from=at("2026-03-02T10:45"))
    sent(house, "2026-03-02T10:15", "2026-03-02T10:45", subject="robot")
    sent(house, "2026-03-02T11:00", subject="b")
    sent(house, "2026-03-02T12:00", subject="nobody")

    rows = house.query(meter, *MARCH, group_by=("customerId",))
    assert {row[3]: row[2] for row in rows} == {acme.id: "1", bolt.id: "3", None: "1"}
    assert house.query(meter, *MARCH, customers=[bolt.id]) == [("03-01", "04-01", "3")]
    assert house.query(meter, *MARCH, customers=[acme.id, bolt.id], group_by=("subject",)) == [
        ("03-01", "04-01", "1", "b"),
        ("03-01", "04-01", "3", "robot"),
    ]


def test_more_rows_than_are_shown_are_told_by_one_more(house):
    meter = house.meter("COUNT")
    house.send(*(event(str(n), "2026-03-02T10:00", subject=f"s{n}") for n in range(MAX_ROWS + 5)))

    assert len(house.query(meter, *MARCH, group_by=("subject",))) == MAX_ROWS + 1
    assert len(house.store.group_values(meter, "subject", start=None, end=None)) == MAX_ROWS
