"""What windows come to: every aggregation, boundaries to the microsecond, filters, values that can't be read."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from entitlements.metering.reading import Usage, Window
from tests.stores.conftest import event
from tests.support.clock import at

MARCH = ("2026-03-01", "2026-04-01")
EVENTS = (
    ("2026-03-01T23:59:59.999999", 4, "a"),
    ("2026-03-02T00:00:00", "2.5", "b"),
    ("2026-03-02T10:15:00", 4, "a"),
    ("2026-03-02T10:45:00", -1, "b"),
    ("2026-03-02T11:00:00", "0.5", "a"),
    ("2026-03-04T00:00:00", 10, "b"),
)


def sent(house):
    house.send(*(event(str(n), time, {"value": v, "model": m}) for n, (time, v, m) in enumerate(EVENTS)))


@pytest.mark.parametrize(
    ("aggregation", "month", "cut", "filtered", "nothing"),
    [
        # 4 + 2.5 + 4 - 1 + 0.5 + 10; from a quarter past ten to eleven; the month's of model b.
        ("SUM", "20", "3", "11.5", "0"),
        ("COUNT", "6", "2", "3", "0"),
        ("UNIQUE_COUNT", "5", "2", "3", "0"),
        ("AVG", "3.3333333333333333", "1.5", "3.8333333333333333", "0"),
        ("MIN", "-1", "-1", "-1", "0"),
        ("MAX", "10", "4", "10", "0"),
        ("LATEST", "10", "-1", "10", "0"),
    ],
)
def test_each_aggregation(house, aggregation, month, cut, filtered, nothing):
    meter = house.meter(aggregation)
    sent(house)

    assert house.usage(meter, MARCH) == (month, 6, 0)
    assert house.usage(meter, ("2026-03-02T10:15", "2026-03-02T11:00")) == (cut, 2, 0)
    assert house.usage(meter, MARCH, model="b") == (filtered, 3, 0)
    assert house.usage(meter, ("2026-03-02T10:46", "2026-03-02T11:00")) == (nothing, 0, 0)


@pytest.mark.parametrize(
    ("start", "end", "figure", "events"),
    [
        ("2026-03-02", "2026-03-03", "6", 4),
        ("2026-03-01", "2026-03-02", "4", 1),
        ("2026-03-01T23:59:59.999999", "2026-03-02T00:00:00", "4", 1),
        ("2026-03-01T23:59:59.999999", "2026-03-02T00:00:00.000001", "6.5", 2),
        ("2026-03-02T00:00:00.000001", "2026-03-02T10:15:00", "0", 0),
        ("2026-03-02T10:00", "2026-03-02T11:00", "3", 2),
        ("2026-03-02T10:15:00.000001", "2026-03-02T11:00:00.000001", "-0.5", 2),
        ("2026-03-02T10:15", "2026-03-02T10:15", "0", 0),
        # The last event of the day lies at the end.
        ("2026-03-02T00:00", "2026-03-02T11:00", "5.5", 3),
        ("2026-03-04T00:00", "2026-03-04T00:00:00.000001", "10", 1),
    ],
)
def test_a_window_has_its_start_and_not_its_end(house, start, end, figure, events):
    meter = house.meter()
    sent(house)

    assert house.usage(meter, (start, end)) == (figure, events, 0)


def test_windows_of_one_key_are_one_set_of_events(house):
    average, unique = house.meter("AVG"), house.meter("UNIQUE_COUNT")
    sent(house)
    house.send(event("bolt", "2026-03-02T12:00", 4, subject="bolt"))
    spans = (("2026-03-01", "2026-03-02"), ("2026-03-02T10:45", "2026-03-02T11:00"))

    # 4, -1 and the other subject's 4 in neither span; then with all of its days.
    assert house.usage(average, *spans, subjects=["acme", "bolt"]) == ("1.5", 2, 0)
    assert house.usage(average, *spans, ("2026-03-02T12:00", "2026-03-03"), subjects=["acme", "bolt"]) == (
        "2.3333333333333333",
        3,
        0,
    )
    assert house.usage(unique, *spans, ("2026-03-02T12:00", "2026-03-03"), subjects=["acme", "bolt"]) == ("2", 3, 0)


def test_many_readings_are_asked_at_once(house):
    total, count = house.meter(), house.meter("COUNT")
    sent(house)
    march, day = [at(moment) for moment in MARCH], [at("2026-03-02"), at("2026-03-03")]
    found = house.store.usage(
        {
            house.reading(total): [Window(1, "acme", *march), Window(2, "acme", *day)],
            house.reading(total, model="a"): [Window(3, "acme", *march)],
            house.reading(count): [Window(4, "acme", *day)],
            house.reading(count, model="c"): [],
        }
    )

    assert {key: figure for key, figure in found.items() if figure.events} == {
        1: Usage(Decimal(20), 6, 0),
        2: Usage(Decimal(6), 4, 0),
        3: Usage(Decimal("8.5"), 3, 0),
        4: Usage(Decimal(4), 4, 0),
    }


def test_filters_take_any_of_their_values_and_all_of_their_dimensions(house):
    meter = house.meter(group_by={"model": "$.model", "region": "$.place.regions[0]"})
    places: Any = (("a", ["eu"]), ("a", ["us"]), ("b", ["eu", "us"]), ("c", ["eu"]), ("a", []), ("a", "eu"))
    house.send(
        *(
            event(str(number), "2026-03-02T10:00", {"value": 10**number, "model": model, "place": {"regions": regions}})
            for number, (model, regions) in enumerate(places)
        )
    )

    assert house.usage(meter, MARCH, model="a,b") == ("110111", 5, 0)
    assert house.usage(meter, MARCH, model="a,b", region="eu") == ("101", 2, 0)
    assert house.usage(meter, MARCH, region="mars") == ("0", 0, 0)


def test_filters_compare_texts_as_postgresql_writes_them(house):
    meter = house.meter("COUNT", group_by={"size": "$.size"})
    sizes = ["1000", 1000, Decimal("1E+3"), "1000.0", True, {"b": [1, "x"], "a": None}, None]
    house.send(*(event(str(n), "2026-03-02T10:00", {"size": size}) for n, size in enumerate(sizes)))

    assert house.usage(meter, MARCH, size="1000")[0] == "3"
    assert house.usage(meter, MARCH, size="1000.0,true")[0] == "2"
    assert house.store.group_values(meter, "size", start=None, end=None) == [
        "1000",
        "1000.0",
        "true",
        '{"a": null, "b": [1, "x"]}',
    ]


@pytest.mark.parametrize(
    ("aggregation", "figure", "unreadable"),
    [
        ("SUM", "8", 5),
        ("COUNT", "7", 0),
        ("UNIQUE_COUNT", "4", 3),
        ("AVG", "4", 5),
        ("MAX", "5", 5),
        ("LATEST", "3", 5),
    ],
)
def test_what_can_not_be_read_is_counted_apart(house, aggregation, figure, unreadable):
    """Such events came before their meter did."""
    values = [5, "many", None, True, "3"]
    events = [event(str(n), f"2026-03-02T10:0{n}", {"value": value}) for n, value in enumerate(values)]
    house.send(*events, event("none", "2026-03-02T10:05"), event("empty", "2026-03-02T10:06", {}))
    meter = house.meter(aggregation)

    assert house.usage(meter, MARCH) == (figure, 7, unreadable)


@pytest.mark.parametrize("aggregation", ["SUM", "AVG", "MIN", "MAX", "LATEST"])
def test_where_nothing_can_be_read_the_quantity_is_zero(house, aggregation):
    house.send(event("1", "2026-03-02T10:00", "many"))

    assert house.usage(house.meter(aggregation), MARCH) == ("0", 1, 1)
    assert house.query(house.meter(aggregation, key="other"), *MARCH) == []


def test_of_two_latest_at_one_time_the_later_id_wins(house):
    meter = house.meter("LATEST")
    first, second = UUID(int=2**127 + 5), UUID(int=2**64)
    house.send(event("1", "2026-03-02T10:00", 7, id=first), event("2", "2026-03-02T10:00", 3, id=second))
    house.send(event("3", "2026-03-02T10:00", 1, id=UUID(int=9)), event("4", "2026-03-02T09:59", 8))

    assert house.usage(meter, MARCH) == ("7", 4, 0)
    house.take_back("1")
    assert house.usage(meter, MARCH) == ("3", 3, 0)


def test_a_meter_may_begin_at_a_time(house):
    meter = house.meter(event_from=at("2026-03-02T10:45"))
    sent(house)

    # The caller of `usage` cuts its windows to it; a query is cut by the engine.
    assert house.query(meter, *MARCH) == [("03-01", "04-01", "9.5")]
    assert house.query(meter, window="DAY") == [("03-02", "03-03", "-0.5"), ("03-04", "03-05", "10")]


def test_a_window_of_centuries_is_read(house):
    meter = house.meter()
    house.send(event("1", datetime.fromisoformat("2199-12-31T23:59:59+00:00"), 5), event("2", "1970-01-01", 2))
    start, end = at("1970-01-01"), at("2999-01-01") + timedelta(days=1)

    assert house.store.usage({house.reading(meter): [Window(1, "acme", start, end)]}) == {1: Usage(Decimal(7), 2, 0)}
