"""The package price: tables of literal figures."""

import pytest

from tests.support.rating import net, rated


def package(amount, size, **rest):
    return {"type": "package", "amount": amount, "quantityPerPackage": size, **rest}


@pytest.mark.parametrize(
    ("amount", "size", "quantity", "earlier", "currency", "expected"),
    [
        ("1.00", "25", "0", "0", "EUR", "0.00"),
        ("1.00", "25", "0.000000000001", "0", "EUR", "1.00"),
        ("1.00", "25", "1", "0", "EUR", "1.00"),
        ("1.00", "25", "24", "0", "EUR", "1.00"),
        ("1.00", "25", "25", "0", "EUR", "1.00"),
        ("1.00", "25", "25.000000000001", "0", "EUR", "2.00"),
        ("1.00", "25", "26", "0", "EUR", "2.00"),
        ("1.00", "25", "200", "0", "EUR", "8.00"),
        ("1.00", "25", "201", "0", "EUR", "9.00"),
        # Splits: the packages started in the window are those of the total less those billed before.
        ("1.00", "25", "10", "10", "EUR", "0.00"),
        ("1.00", "25", "15", "10", "EUR", "0.00"),
        ("1.00", "25", "16", "10", "EUR", "1.00"),
        ("1.00", "25", "1", "25", "EUR", "1.00"),
        ("1.00", "25", "0", "10", "EUR", "0.00"),
        ("1.00", "25", "50", "24", "EUR", "2.00"),
        ("1.00", "25", "-5", "30", "EUR", "0.00"),
        ("0", "25", "200", "0", "EUR", "0.00"),
        ("4.99", "1", "3", "0", "EUR", "14.97"),
        ("4.99", "1", "2.5", "0", "EUR", "14.97"),
        ("0.005", "10", "1", "0", "USD", "0.01"),
        ("0.005", "10", "21", "0", "USD", "0.02"),
        ("0.10", "0.5", "1.2", "0", "USD", "0.30"),
        ("0.10", "0.1", "0.3", "0", "USD", "0.30"),
        ("3", "1000000", "1000000000000000", "0", "USD", "3000000000.00"),
        ("3", "1000000", "1000000000000001", "0", "USD", "3000000003.00"),
        ("100", "3", "10", "0", "JPY", "400"),
        ("0.5", "3", "1", "0", "JPY", "1"),
        ("0.0125", "10", "11", "0", "KWD", "0.025"),
        ("0.0125", "10", "10", "0", "KWD", "0.013"),
    ],
)
def test_each_started_package_is_charged_in_full(amount, size, quantity, earlier, currency, expected):
    assert net(package(amount, size), quantity, currency, earlier=earlier) == expected


def test_the_detailed_line_counts_packages():
    (part,) = rated(package("1.00", "25"), "60").detailed
    assert (part.kind, str(part.quantity), str(part.unit_amount)) == ("package", "3", "1.00")


def test_free_units_come_off_before_the_packages_are_counted():
    assert net(package("1.00", "25"), "700", free="500") == "8.00"
    assert net(package("1.00", "25"), "500", free="500") == "0.00"
