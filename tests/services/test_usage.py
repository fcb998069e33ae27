"""What a window's events come to: every aggregation, paths, filters, boundaries, several subjects and spans."""

from decimal import Decimal

import pytest

from customers.attribution import Attribution
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.usage import NO_USAGE, Usage, UsageRequest, reading_of, usage_of
from entitlements.metering.usage_query import UsageQuery, query_usage
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at

pytestmark = pytest.mark.django_db

MARCH = (at("2026-03-01"), at("2026-04-01"))
AGGREGATIONS = ("SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST")


def use(*events, subject="acme", type_="usage"):
    """Events of one subject: each a time and its data."""
    ingest_events(
        events=[
            {
                "id": f"{subject} {type_} {number} {time}",
                "source": "test",
                "type": type_,
                "subject": subject,
                "time": f"{time}Z",
                "data": data,
            }
            for number, (time, data) in enumerate(events)
        ]
    )


def use_amounts(*values, subject="acme"):
    """Events of these amounts, one at noon of each day from 1 March on."""
    days = [f"2026-03-{day:02}T12:00:00" for day in range(1, len(values) + 1)]
    use(*zip(days, [{"amount": value} for value in values], strict=True), subject=subject)


def reading(aggregation="SUM", path="$.amount", filters=None, **meter):
    """How a feature reads `path`, narrowed by `filters` on the dimensions model and region."""
    row = make_meter(
        aggregation=aggregation,
        value_property=None if aggregation == "COUNT" else path,
        **{"group_by": {"model": "$.model", "region": "$.place.region"}} | meter,
    )
    return reading_of(make_feature(meter=row, meter_filters=filters or {}))


def usage(how, *spans, subjects=("acme",)):
    return usage_of([UsageRequest(7, how, [Attribution(key) for key in subjects], spans or (MARCH,))])[7]


def quantity(how, *spans, subjects=("acme",)):
    return usage(how, *spans, subjects=subjects).quantity


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("SUM", "21.75"),
        ("COUNT", "5"),
        ("UNIQUE_COUNT", "4"),
        ("AVG", "4.35"),
        ("MIN", "-2"),
        ("MAX", "12.25"),
        ("LATEST", "3.5"),
    ],
)
def test_every_aggregation_of_a_window(aggregation, expected):
    use_amounts(4, Decimal("12.25"), "-2", "4", "3.5")
    use_amounts(1000, -1000, subject="bolt")
    use(("2026-03-09T00:00:00", {"amount": 1000}), type_="another type")
    assert usage(reading(aggregation)) == Usage(Decimal(expected), events=5, unreadable=0)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_window_without_events_has_no_usage(aggregation):
    use(("2026-04-01T00:00:00", {"amount": 5}))
    assert usage(reading(aggregation)) == NO_USAGE


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("SUM", "11"), ("COUNT", "2"), ("UNIQUE_COUNT", "2"), ("AVG", "5.5"), ("MIN", "1"), ("MAX", "10"), ("LATEST", 10)],
)
def test_an_event_at_the_start_counts_and_one_at_the_end_does_not(aggregation, expected):
    use(
        ("2026-02-28T23:59:59.999999", {"amount": 100}),
        ("2026-03-01T00:00:00", {"amount": 1}),
        ("2026-03-31T23:59:59.999999", {"amount": 10}),
        ("2026-04-01T00:00:00", {"amount": 0}),
    )
    assert quantity(reading(aggregation)) == Decimal(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.amount", "8"),
        ("$.usage.tokens.total", "30"),
        ("$.items[0].bytes", "4"),
        ("$.items[1].bytes", "40"),
        ("$.runs[0]", "0.5"),
        ("$.grid[1][0]", "6"),
    ],
)
def test_values_are_read_by_nested_paths(path, expected):
    data = {
        "amount": "8",
        "usage": {"tokens": {"total": 30}, "total": 31},
        "items": [{"bytes": 4}, {"bytes": 40}],
        "runs": [Decimal("0.5"), 9],
        "grid": [[1, 2], [6]],
    }
    use(("2026-03-02T00:00:00", data))
    assert quantity(reading("SUM", path)) == Decimal(expected)


def test_a_list_is_no_value_of_its_own():
    """Only `[0]` reaches into a list; nothing is guessed, at ingest or here."""
    use(("2026-03-02T00:00:00", {"items": [{"bytes": 4}]}))
    assert usage(reading("SUM", "$.items.bytes")) == Usage(Decimal(0), events=1, unreadable=1)


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ((Decimal("0.1"), Decimal("0.2")), "0.3"),
        (("0.1", "0.2"), "0.3"),
        (("0.000000000000000000001", Decimal("0.1")), "0.100000000000000000001"),
        (("123456789012345678901234567890.12", "0.005"), "123456789012345678901234567890.125"),
        (("1e3", "2E-2", Decimal("5E+1")), "1050.02"),
        (("-0.75", "1"), "0.25"),
    ],
)
def test_decimals_add_up_exactly_as_numbers_and_as_texts(values, total):
    use_amounts(*values)
    assert quantity(reading()) == Decimal(total)


def test_an_average_keeps_more_places_than_money_has():
    use_amounts(1, 1, 2)
    assert quantity(reading("AVG")) == Decimal("1.3333333333333333")


def test_unique_values_are_told_apart_by_their_text():
    use_amounts("a", "A", "a", 4, "4", "4.0")
    assert quantity(reading("UNIQUE_COUNT")) == 4


def test_the_latest_value_goes_by_the_events_time_and_then_by_arrival():
    use(("2026-03-20T00:00:00", {"amount": 3}), ("2026-03-05T00:00:00", {"amount": 7}))
    how = reading("LATEST")
    assert quantity(how) == 3
    use(("2026-03-20T00:00:00", {"amount": 4}), subject="acme-eu")
    assert quantity(how, subjects=("acme", "acme-eu")) == 4


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, 1111),
        ({"model": ["gpt-4"]}, 101),
        ({"model": ["gpt-4", "gpt-3.5"]}, 111),
        ({"region": ["eu"]}, 11),
        ({"model": ["gpt-4"], "region": ["eu"]}, 1),
        ({"model": ["gpt-4", "gpt-3.5"], "region": ["eu", "us"]}, 111),
        ({"model": ["nothing"]}, 0),
        ({"model": ["7"]}, 0),
    ],
)
def test_a_feature_counts_the_events_that_its_filters_keep(filters, expected):
    use(
        ("2026-03-02T00:00:00", {"amount": 1, "model": "gpt-4", "place": {"region": "eu"}}),
        ("2026-03-02T00:00:00", {"amount": 10, "model": "gpt-3.5", "place": {"region": "eu"}}),
        ("2026-03-02T00:00:00", {"amount": 100, "model": "gpt-4", "place": {"region": "us"}}),
        ("2026-03-02T00:00:00", {"amount": 1000}),
    )
    assert quantity(reading(filters=filters)) == expected


def test_events_before_the_meter_counts_from_are_hidden():
    use_amounts(1, 10, 100)
    how = reading(event_from=at("2026-03-02T12:00"))
    assert usage(how) == Usage(Decimal(110), events=2, unreadable=0)
    assert usage(how, (at("2026-02-01"), at("2026-03-02T12:00"))) == NO_USAGE


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("SUM", 16), ("COUNT", 4), ("UNIQUE_COUNT", 3), ("AVG", 4), ("MIN", 1), ("MAX", 9), ("LATEST", 5)],
)
def test_the_subjects_of_a_customer_are_read_as_one(aggregation, expected):
    use_amounts(1, 1, subject="acme")
    use_amounts(9, subject="acme-eu")
    use(("2026-03-30T00:00:00", {"amount": 5}), subject="acme-us")
    use_amounts(1000, subject="bolt")
    assert quantity(reading(aggregation), subjects=("acme", "acme-eu", "acme-us")) == expected


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("SUM", 21), ("COUNT", 4), ("UNIQUE_COUNT", 3), ("AVG", "5.25"), ("MIN", 2), ("MAX", 9), ("LATEST", 8)],
)
def test_spans_of_one_request_are_read_together(aggregation, expected):
    """What a period used before and within a window: a value that both have is one, the maximum is that of both."""
    use(
        ("2026-03-01T00:00:00", {"amount": 2}),
        ("2026-03-09T00:00:00", {"amount": 9}),
        ("2026-03-10T00:00:00", {"amount": 1000}),
        ("2026-03-20T00:00:00", {"amount": 2}),
        ("2026-03-21T00:00:00", {"amount": 8}),
    )
    spans = ((at("2026-03-01"), at("2026-03-10")), (at("2026-03-11"), at("2026-04-01")))
    assert quantity(reading(aggregation), *spans) == Decimal(expected)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("SUM", Usage(Decimal(5), events=6, unreadable=4)),
        ("COUNT", Usage(Decimal(6), events=6, unreadable=0)),
        ("UNIQUE_COUNT", Usage(Decimal(4), events=6, unreadable=2)),
        ("AVG", Usage(Decimal("2.5"), events=6, unreadable=4)),
        ("MIN", Usage(Decimal(2), events=6, unreadable=4)),
        ("MAX", Usage(Decimal(3), events=6, unreadable=4)),
        ("LATEST", Usage(Decimal(3), events=6, unreadable=4)),
    ],
)
def test_values_that_can_not_be_read_are_counted(aggregation, expected):
    """They came before the meter did: what comes after is refused at ingest."""
    use_amounts("2", "3", "many", True, None)
    use(("2026-03-09T00:00:00", {}))
    assert usage(reading(aggregation)) == expected


@pytest.mark.parametrize("value", ["NaN", "Infinity", "0x10", "1_000", " 1", "1 ", "1.", ".5", "", "1e999", "١"])
def test_a_text_that_only_resembles_a_number_is_unreadable(value):
    use_amounts(value)
    assert usage(reading()) == Usage(Decimal(0), events=1, unreadable=1)


def test_many_windows_of_many_meters_are_one_query(django_assert_num_queries):
    use_amounts(1, 10, 100)
    use_amounts(5, subject="bolt")
    total, maximum = reading(key="total"), reading_of(make_feature(key="m", meter=make_meter(aggregation="MAX")))
    acme, bolt = [Attribution("acme")], [Attribution("bolt")]
    asked = [
        UsageRequest(0, total, acme, (MARCH,)),
        UsageRequest(1, total, bolt, (MARCH,)),
        UsageRequest(2, total, acme, ((at("2026-03-02"), at("2026-03-03")),)),
        UsageRequest(3, maximum, (*acme, *bolt), (MARCH,)),
        UsageRequest(4, maximum, (), (MARCH,)),
        UsageRequest(5, maximum, acme, ((MARCH[0], MARCH[0]),)),
    ]
    with django_assert_num_queries(1):
        found = usage_of(asked)
    assert {key: int(window.quantity) for key, window in found.items()} == {0: 111, 1: 5, 2: 10, 3: 100, 4: 0, 5: 0}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_bill_and_a_query_of_the_meter_say_the_same(aggregation):
    use_amounts("0.1", "0.02", "7", "many", "0.1")
    use(("2026-03-20T00:00:00", {"amount": "0.3", "model": "gpt-4"}), subject="acme-eu")
    how = reading(aggregation, filters={"model": ["gpt-4"]})
    meter = make_meter(
        key="again",
        aggregation=aggregation,
        value_property=None if aggregation == "COUNT" else "$.amount",
        group_by={"model": "$.model"},
    )
    asked = UsageQuery(start=MARCH[0], end=MARCH[1], subjects=("acme", "acme-eu"), filters={"model": ["gpt-4"]})
    assert [row.value for row in query_usage(meter, asked)] == [quantity(how, subjects=("acme", "acme-eu"))]
    asked = UsageQuery(start=MARCH[0], end=MARCH[1], subjects=("acme",))
    unfiltered = reading_of(make_feature(key="all", meter=meter))
    assert [row.value for row in query_usage(meter, asked)] == [quantity(unfiltered)]
