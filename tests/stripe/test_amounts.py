"""Amounts as Stripe counts them, which for some currencies is not as ISO 4217 does."""

from decimal import Decimal

import pytest

from invoicing.gateways.stripe_answers import from_minor_units, minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("50.00", "EUR", 5000),
        ("0.01", "USD", 1),
        ("50", "JPY", 50),
        ("999999", "XOF", 999999),
        ("1.230", "KWD", 1230),
        ("50", "ISK", 5000),
        ("50", "UGX", 5000),
        ("50.00", "MGA", 50),
        ("123.45", "HUF", 12345),
    ],
)
def test_an_amount_is_told_in_the_units_of_stripe_and_back(amount, currency, units):
    assert minor_units(Decimal(amount), currency) == units
    assert from_minor_units(units, currency) == Decimal(amount)


@pytest.mark.parametrize(("amount", "currency"), [("1.005", "KWD"), ("0.20", "MGA")])
def test_what_stripe_cant_count_is_never_rounded(amount, currency):
    with pytest.raises(ValueError, match="no such small parts"):
        minor_units(Decimal(amount), currency)
