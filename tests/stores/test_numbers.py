"""Figures are exact: decimals of any length that an ingest lets in, and averages to PostgreSQL's digits."""

from decimal import Decimal

import pytest

from entitlements.metering.reading import Window
from tests.stores.conftest import event
from tests.support.clock import at

NINES, TINY = "9" * 60, "0." + "0" * 59 + "1"


def figure(house, aggregation, values):
    meter = house.meter(aggregation)
    house.send(*(event(str(n), f"2026-03-02T10:0{n}", value) for n, value in enumerate(values)))
    window = Window(1, "acme", at("2026-03-01"), at("2026-04-01"))
    return house.store.usage({house.reading(meter): [window]})[1].quantity


@pytest.mark.parametrize(
    ("aggregation", "values", "expected"),
    [
        ("SUM", ["0.1", "0.2"], "0.3"),
        ("SUM", [NINES, "1"], "1" + "0" * 60),
        # A hundred and twenty digits, of which none may be lost.
        ("SUM", [NINES, TINY], f"{NINES}.{'0' * 59}1"),
        ("SUM", [f"{NINES}.{'9' * 60}", TINY], "1" + "0" * 60),
        ("SUM", ["1e99", "-1e99", "1e-99"], "1e-99"),
        ("SUM", [NINES + "e99", "1"], NINES + "0" * 98 + "1"),
        ("SUM", ["-" + NINES, NINES, "-0.5"], "-0.5"),
        ("SUM", [2**63, 2**63, 2**200], str(2**64 + 2**200)),
        ("SUM", [Decimal("1.50"), Decimal("1E+3"), Decimal("-0.0")], "1001.5"),
        ("MAX", ["-" + NINES, "-1e99", "-1e-99", "-0.1"], "-1e-99"),
        ("MIN", ["-" + NINES, "-1e99", "1e-99", "-0.1"], "-1e99"),
        ("MAX", ["9", "10", "1e1", "9.9999"], "10"),
        ("LATEST", ["1", NINES + "." + "9" * 59], NINES + "." + "9" * 59),
        ("UNIQUE_COUNT", ["4", 4, "4.0", Decimal("4.0"), "4e0", "04"], "4"),
    ],
)
def test_figures_lose_no_digit(house, aggregation, values, expected):
    assert figure(house, aggregation, values) == Decimal(expected)


# As PostgreSQL 18 divides: sixteen significant digits at least, and never fewer places than the sum has.
AVERAGES = [
    (["1", "1", "2"], "1.3333333333333333"),
    (["10", "20", "70"], "33.3333333333333333"),
    (["10000", "20000", "70000"], "33333.333333333333"),
    (["1e20", "1e20", "2e20"], "133333333333333333333"),
    (["0.0001", "0.0001", "0.0002"], "0.00013333333333333333"),
    (["1e-20", "0", "1e-20"], "0.0000000000000000000066666666666666666667"),
    (["0.00000000000000000001", "0", "0"], "0.0000000000000000000033333333333333333333"),
    (["-1", "-1", "-2"], "-1.3333333333333333"),
    (["1.500", "1.500"], "1.5"),
    (["0", "0"], "0"),
    ([f"0.{'0' * 59}1", "0"], f"0.{'0' * 60}5"),
]


@pytest.mark.parametrize(("values", "expected"), AVERAGES)
def test_an_average_has_the_digits_of_postgresql(house, values, expected):
    assert figure(house, "AVG", values) == Decimal(expected)
