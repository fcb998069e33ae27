"""The flat price: tables of literal figures, prorated and with changing quantities."""

from decimal import Decimal

import pytest

from invoicing.rating import FlatComponent
from tests.support.rating import net, rated, totals

DAY = 86400


def flat(amount):
    return {"type": "flat", "amount": amount}


@pytest.mark.parametrize(
    ("amount", "quantity", "fraction", "currency", "expected"),
    [
        ("50.00", "1", (1, 1), "EUR", "50.00"),
        ("50", "1", (1, 1), "EUR", "50.00"),
        ("0", "1", (1, 1), "EUR", "0.00"),
        ("50.00", "0", (1, 1), "EUR", "0.00"),
        ("50.00", "3", (1, 1), "EUR", "150.00"),
        ("50.00", "0.5", (1, 1), "EUR", "25.00"),
        ("9.995", "1", (1, 1), "EUR", "10.00"),
        ("9.994", "1", (1, 1), "EUR", "9.99"),
        ("0.333333333333", "3", (1, 1), "EUR", "1.00"),
        ("9.00", "1", (31, 91), "EUR", "3.07"),
        ("9.00", "1", (60, 91), "EUR", "5.93"),
        ("10.00", "1", (30, 31), "EUR", "9.68"),
        ("10.00", "1", (1, 31), "EUR", "0.32"),
        ("5.00", "1", (14, 31), "EUR", "2.26"),
        ("5.00", "1", (17, 31), "EUR", "2.74"),
        ("10.00", "1", (0, 31), "EUR", "0.00"),
        ("10.00", "1", (31, 31), "EUR", "10.00"),
        # An extended period: 46 of 31 days.
        ("10.00", "1", (46, 31), "EUR", "14.84"),
        ("0.01", "1", (1, 2), "EUR", "0.01"),
        ("0.01", "1", (49, 100), "EUR", "0.00"),
        ("10.00", "1", (1, 2_678_400_000_000), "EUR", "0.00"),
        ("10.00", "5", (14, 31), "EUR", "22.58"),
        ("1000000000000000.00", "1", (1, 3), "USD", "333333333333333.33"),
        ("1000000000000000.00", "1", (2, 3), "USD", "666666666666666.67"),
        ("1000", "1", (15, 31), "JPY", "484"),
        ("1", "1", (1, 2), "JPY", "1"),
        ("10.000", "1", (1, 3), "KWD", "3.333"),
        ("10.000", "1", (2, 3), "KWD", "6.667"),
        ("365.00", "1", (29, 366), "USD", "28.92"),
    ],
)
def test_a_fee_is_prorated_as_a_fraction_and_rounded_once(amount, quantity, fraction, currency, expected):
    assert net(flat(amount), quantity, currency, fraction=fraction) == expected


@pytest.mark.parametrize(
    ("amount", "components", "expected"),
    [
        ("10.00", [("5", 30, 30), ("3", 15, 30)], ["50.00", "15.00"]),
        ("10.00", [("8", 30, 30), ("-3", 15, 30)], ["80.00", "-15.00"]),
        ("10.00", [("5", 20, 30), ("3", 15, 30)], ["33.33", "15.00"]),
        ("10.00", [("5", 30, 30), ("3", 15, 30), ("2", 1, 30)], ["50.00", "15.00", "0.67"]),
        ("10.00", [("0", 30, 30), ("3", 15, 30)], ["15.00"]),
        ("10.00", [("5", 30, 30), ("3", 0, 30)], ["50.00"]),
        ("10.00", [("5", 45, 30)], ["75.00"]),
        ("0.01", [("1", 1, 2), ("1", 1, 2)], ["0.01", "0.01"]),
        ("0.01", [("1", 2, 2), ("-1", 1, 2)], ["0.01", "-0.01"]),
    ],
)
def test_each_change_of_quantity_is_a_detailed_line_of_its_own_rounded_once(amount, components, expected):
    parts = tuple(FlatComponent(Decimal(quantity), top * DAY, bottom * DAY) for quantity, top, bottom in components)
    assert totals(flat(amount), "1", components=parts) == expected


def test_detailed_lines_say_what_changed():
    parts = tuple(FlatComponent(Decimal(quantity), 1, 1) for quantity in ("5", "3", "-2", "-0.5", "0.5"))
    names = [part.name for part in rated(flat("1"), "6", components=parts).detailed]
    assert names == ["Flat fee", "Quantity increase", "Quantity decrease", "Quantity decrease", "Quantity increase"]


def test_a_percentage_discount_is_rounded_on_each_detailed_line():
    parts = tuple(FlatComponent(Decimal(quantity), 1, 1) for quantity in ("1", "-1", "1"))
    line = rated(flat("0.05"), "1", percent=50, components=parts)
    assert [str(part.total) for part in line.detailed] == ["0.02", "-0.02", "0.02"]
    assert str(line.net) == "0.02"
