"""Money: exponents, rounding half away from zero, splitting without loss, strict decimal text."""

from decimal import Decimal

import pytest

from core.errors import InvalidInput
from core.money import (
    allocate,
    currencies,
    exponent,
    is_in_minor_units,
    parse_decimal,
    round_money,
    round_share,
    to_wire,
    trimmed,
)


@pytest.mark.parametrize(("currency", "places"), [("JPY", 0), ("USD", 2), ("EUR", 2), ("KWD", 3), ("CLF", 4)])
def test_a_currency_has_the_exponent_of_iso_4217(currency, places):
    assert exponent(currency) == places


def test_every_currency_of_iso_4217_has_its_exponent():
    """All that have other than two places, by name, and how many have two."""
    others = {places: " ".join(code for code in currencies() if exponent(code) == places) for places in (0, 3, 4)}
    assert others == {
        0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
        3: "BHD IQD JOD KWD LYD OMR TND",
        4: "CLF UYW",
    }
    assert sum(exponent(code) == 2 for code in currencies()) == 140
    # Some of these have no cents in daily use.
    assert {exponent(code) for code in ("EUR", "HUF", "IDR", "MGA", "MRU", "TWD", "USD")} == {2}


@pytest.mark.parametrize("currency", ["usd", "XXX", "EURO", "", None])
def test_an_unknown_currency_is_refused(currency):
    with pytest.raises(InvalidInput) as caught:
        exponent(currency)
    assert caught.value.code == "unknown_currency"


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0", "USD", "0.00"),
        ("50", "USD", "50.00"),
        ("2.345", "USD", "2.35"),
        ("-2.345", "USD", "-2.35"),
        ("2.344999999999", "USD", "2.34"),
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("0.0049", "USD", "0.00"),
        ("0.5", "JPY", "1"),
        ("-0.5", "JPY", "-1"),
        ("1.4999", "JPY", "1"),
        ("1.2345", "KWD", "1.235"),
        ("1E+3", "USD", "1000.00"),
        ("1000000000000000.005", "USD", "1000000000000000.01"),
        ("123456789012345678901234567890.125", "USD", "123456789012345678901234567890.13"),
    ],
)
def test_an_amount_is_rounded_half_away_from_zero_to_the_currencys_exponent(amount, currency, rounded):
    assert str(round_money(Decimal(amount), currency)) == rounded


@pytest.mark.parametrize(
    ("amount", "numerator", "denominator", "currency", "rounded"),
    [
        ("9.00", 31, 91, "EUR", "3.07"),
        ("10.00", 30, 31, "EUR", "9.68"),
        ("5.00", 14, 31, "EUR", "2.26"),
        ("5.00", 17, 31, "EUR", "2.74"),
        ("-5.00", 14, 31, "EUR", "-2.26"),
        ("0.01", 1, 2, "EUR", "0.01"),
        ("-0.01", 1, 2, "EUR", "-0.01"),
        ("0.03", 1, 6, "EUR", "0.01"),
        ("10.00", 0, 31, "EUR", "0.00"),
        ("10.00", 46, 31, "EUR", "14.84"),
        ("100", 1, 3, "JPY", "33"),
        ("1000000000000000", 1, 3, "USD", "333333333333333.33"),
        ("1", 1, 3, "KWD", "0.333"),
        ("7.005", 1, 1, "USD", "7.01"),
    ],
)
def test_a_share_is_rounded_once_from_the_exact_quotient(amount, numerator, denominator, currency, rounded):
    assert str(round_share(Decimal(amount), numerator, denominator, currency)) == rounded


def test_a_share_needs_a_positive_denominator():
    with pytest.raises(ValueError, match="positive denominator"):
        round_share(Decimal(1), 1, 0, "USD")


@pytest.mark.parametrize(
    ("total", "weights", "currency", "parts"),
    [
        ("1.90", ["3.33", "3.33", "3.33"], "EUR", ["0.64", "0.63", "0.63"]),
        ("-1.90", ["3.33", "3.33", "3.33"], "EUR", ["-0.64", "-0.63", "-0.63"]),
        ("0.01", ["1", "1"], "EUR", ["0.01", "0.00"]),
        ("0.01", ["1", "1.000000000001"], "EUR", ["0.00", "0.01"]),
        ("0.00", ["0", "0"], "EUR", ["0.00", "0.00"]),
        ("100", ["1", "1", "1"], "JPY", ["34", "33", "33"]),
        ("0.005", ["1", "3"], "KWD", ["0.001", "0.004"]),
        ("5.70", ["-15.00", "45.00"], "EUR", ["-2.85", "8.55"]),
        ("10.00", ["0", "7", "0"], "EUR", ["0.00", "10.00", "0.00"]),
        ("1.00", ["-1", "-3"], "EUR", ["0.25", "0.75"]),
        ("0.01", ["-1", "-2"], "EUR", ["0.00", "0.01"]),
        ("0.01", ["-2", "-1"], "EUR", ["0.01", "0.00"]),
        ("999999999999999.99", ["1", "2"], "USD", ["333333333333333.33", "666666666666666.66"]),
        ("0.00", [], "EUR", []),
    ],
)
def test_an_amount_is_split_by_largest_remainder_with_ties_to_the_earlier_part(total, weights, currency, parts):
    shares = allocate(Decimal(total), [Decimal(weight) for weight in weights], currency)
    assert [str(share) for share in shares] == parts


def test_an_amount_is_not_split_over_weights_that_cancel_out():
    with pytest.raises(ValueError, match="add up to zero"):
        allocate(Decimal("0.01"), [Decimal(1), Decimal(-1)], "USD")


def test_an_amount_with_too_many_places_is_not_split():
    with pytest.raises(ValueError, match="more decimal places"):
        allocate(Decimal("0.005"), [Decimal(1)], "USD")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("12.50", "12.50"),
        ("-3", "-3"),
        (7, "7"),
        ("-0.00", "0.00"),
        ("0.000000000001", "1E-12"),
        ("999999999999999999.999999999999", "999999999999999999.999999999999"),
        ("0000000000000000000000001", "1"),
    ],
)
def test_decimal_text_is_read_exactly(text, number):
    assert str(parse_decimal(text, field="amount")) == str(Decimal(number))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "not_a_decimal"),
        ("abc", "not_a_decimal"),
        ("NaN", "not_a_decimal"),
        ("Infinity", "not_a_decimal"),
        ("1e9999", "not_a_decimal"),
        ("+1", "not_a_decimal"),
        (" 1", "not_a_decimal"),
        ("1\n", "not_a_decimal"),
        ("1,5", "not_a_decimal"),
        ("1_000", "not_a_decimal"),
        (".5", "not_a_decimal"),
        ("5.", "not_a_decimal"),
        ("\u0661\u0662", "not_a_decimal"),
        (1.5, "not_a_decimal"),
        (True, "not_a_decimal"),
        (None, "not_a_decimal"),
        ([], "not_a_decimal"),
        ("0.0000000000001", "too_many_places"),
        ("1000000000000000000", "too_large"),
        (10**18, "too_large"),
    ],
)
def test_anything_else_than_plain_decimal_text_is_refused_by_name(value, code):
    with pytest.raises(InvalidInput) as caught:
        parse_decimal(value, field="price.amount")
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("price.amount", code)
    assert len(problem.message) < 200


@pytest.mark.parametrize("value", [10**5000, -(10**5000), "9" * 100_000], ids=["integer", "negative", "text"])
def test_a_number_of_absurd_length_is_refused_like_any_other_bad_one(value):
    with pytest.raises(InvalidInput) as caught:
        parse_decimal(value, field="amount")
    assert caught.value.problems[0].code == "too_large"


def test_the_number_of_places_can_be_limited():
    assert parse_decimal("1.25", places=2, field="amount") == Decimal("1.25")
    with pytest.raises(InvalidInput):
        parse_decimal("1.255", places=2, field="amount")


@pytest.mark.parametrize(
    ("value", "wire", "short"),
    [
        ("50.00", "50.00", "50"),
        ("1E+3", "1000", "1000"),
        ("1E-12", "0.000000000001", "0.000000000001"),
        ("-0.00", "0.00", "0"),
        ("200.500000000000", "200.500000000000", "200.5"),
        ("0", "0", "0"),
        ("100", "100", "100"),
    ],
)
def test_decimals_are_written_plainly(value, wire, short):
    assert to_wire(Decimal(value)) == wire
    assert trimmed(Decimal(value)) == short


@pytest.mark.parametrize(
    ("amount", "currency", "whole"),
    [
        ("1.25", "EUR", True),
        ("1.250", "EUR", True),
        ("1.255", "EUR", False),
        ("-0.001", "KWD", True),
        ("1.5", "JPY", False),
        ("1" + "0" * 40 + ".01", "EUR", True),
        ("1" + "0" * 400 + ".001", "EUR", False),
    ],
)
def test_whether_an_amount_of_any_size_is_in_minor_units(amount, currency, whole):
    assert is_in_minor_units(Decimal(amount), currency) is whole
