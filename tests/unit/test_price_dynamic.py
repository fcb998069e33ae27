"""The dynamic price: tables of literal figures."""

import pytest

from tests.support.rating import net, rated


def dynamic(multiplier=None, **rest):
    return {"type": "dynamic", **({} if multiplier is None else {"multiplier": multiplier}), **rest}


@pytest.mark.parametrize(
    ("multiplier", "quantity", "currency", "expected"),
    [
        (None, "0", "USD", "0.00"),
        (None, "12.34", "USD", "12.34"),
        (None, "12.345", "USD", "12.35"),
        (None, "12.344999999999", "USD", "12.34"),
        ("1", "7", "USD", "7.00"),
        ("1.0", "7", "USD", "7.00"),
        ("0", "12.34", "USD", "0.00"),
        ("0.5", "12.34", "USD", "6.17"),
        ("0.5", "0.01", "USD", "0.01"),
        ("0.5", "0.009", "USD", "0.00"),
        ("1.5", "12.34", "USD", "18.51"),
        ("1.5", "0.01", "USD", "0.02"),
        ("1.2", "99.99", "USD", "119.99"),
        ("1.25", "99.99", "EUR", "124.99"),
        ("0.333333333333", "3", "USD", "1.00"),
        ("0.000000000001", "1000000000000", "USD", "1.00"),
        ("2", "1000000000000000", "USD", "2000000000000000.00"),
        ("1.000000000001", "1000000000000", "USD", "1000000000001.00"),
        ("1", "0.4", "JPY", "0"),
        ("1", "0.5", "JPY", "1"),
        ("1.1", "105", "JPY", "116"),
        ("1.1", "104", "JPY", "114"),
        ("1.1", "1.005", "KWD", "1.106"),
        ("1.1", "1.004", "KWD", "1.104"),
        ("0.1", "0.004", "KWD", "0.000"),
        ("0.1", "0.005", "KWD", "0.001"),
    ],
)
def test_the_metered_amount_is_charged_times_the_multiplier(multiplier, quantity, currency, expected):
    assert net(dynamic(multiplier), quantity, currency) == expected


def test_the_detailed_line_shows_amount_and_multiplier():
    (part,) = rated(dynamic("1.5"), "12.34").detailed
    assert (part.kind, str(part.quantity), str(part.unit_amount)) == ("dynamic", "12.34", "1.5")
