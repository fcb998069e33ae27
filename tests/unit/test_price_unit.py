"""The unit price: tables of literal figures."""

import pytest

from tests.support.rating import net, rated


def unit(amount, **rest):
    return {"type": "unit", "amount": amount, **rest}


@pytest.mark.parametrize(
    ("amount", "quantity", "currency", "expected"),
    [
        ("0.25", "0", "USD", "0.00"),
        ("0.25", "1", "USD", "0.25"),
        ("0.25", "3", "USD", "0.75"),
        ("0", "1000", "USD", "0.00"),
        ("0.005", "1", "USD", "0.01"),
        ("0.004", "1", "USD", "0.00"),
        ("0.0049", "1", "USD", "0.00"),
        ("0.015", "1", "USD", "0.02"),
        ("0.025", "1", "USD", "0.03"),
        ("1.10", "0.5", "USD", "0.55"),
        ("1.11", "0.5", "USD", "0.56"),
        ("3", "0.333333333333", "USD", "1.00"),
        ("0.000000000001", "1000000000000", "USD", "1.00"),
        ("0.000000000001", "4999999999", "USD", "0.00"),
        ("0.000000000001", "5000000000", "USD", "0.01"),
        ("123456789.123456789012", "1", "USD", "123456789.12"),
        ("0.1", "1000000000000000", "USD", "100000000000000.00"),
        ("1000000000000000", "1000000000000000", "USD", "1000000000000000000000000000000.00"),
        ("999999999999999.999999999999", "999999999999999.999999999999", "USD", "999999999999999999999999998000.00"),
        ("12", "7", "JPY", "84"),
        ("0.5", "1", "JPY", "1"),
        ("0.5", "3", "JPY", "2"),
        ("0.49", "1", "JPY", "0"),
        ("150.4", "1", "JPY", "150"),
        ("0.0005", "1", "KWD", "0.001"),
        ("1.2344", "1", "KWD", "1.234"),
        ("1.2345", "1", "KWD", "1.235"),
        ("0.001", "7", "KWD", "0.007"),
        ("29.90", "2", "EUR", "59.80"),
    ],
)
def test_each_unit_costs_its_amount_and_the_product_is_rounded_once(amount, quantity, currency, expected):
    assert net(unit(amount), quantity, currency) == expected


def test_nothing_used_gives_no_detailed_lines():
    line = rated(unit("0.25"), "0")
    assert line.detailed == ()
    assert str(line.amount) == str(line.net) == "0.00"


def test_a_window_whose_usage_fell_is_priced_as_zero():
    assert net(unit("0.25"), "-5", earlier="10") == "0.00"


def test_the_detailed_line_names_quantity_and_unit_amount():
    (part,) = rated(unit("0.25"), "3").detailed
    assert (part.kind, part.category, str(part.quantity), str(part.unit_amount)) == ("unit", "regular", "3", "0.25")
