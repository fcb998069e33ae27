"""What holds for every split of an amount, shown on examples that Hypothesis makes up."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.money import allocate, exponent, parse_decimal, round_money, round_share, to_wire, trimmed
from tests.support.strategies import CURRENCIES, decimals

WEIGHTS = st.lists(decimals(10**6, 6), min_size=1, max_size=12).filter(any)
MINOR = st.integers(-(10**15), 10**15)


@given(MINOR, WEIGHTS, CURRENCIES)
def test_the_parts_of_an_amount_add_up_to_it_and_each_is_within_one_minor_unit_of_its_share(minor, weights, currency):
    unit = Decimal(1).scaleb(-exponent(currency))
    total = minor * unit
    parts = allocate(total, weights, currency)
    assert sum(parts) == total
    assert all(
        abs(part * sum(weights) - total * weight) < unit * sum(weights)
        for part, weight in zip(parts, weights, strict=True)
    )


@given(MINOR, WEIGHTS, CURRENCIES)
def test_a_credit_splits_like_its_invoice(minor, weights, currency):
    total = Decimal(minor).scaleb(-exponent(currency))
    assert allocate(-total, weights, currency) == tuple(-part for part in allocate(total, weights, currency))


@given(st.integers(-(10**30), 10**30), st.integers(0, 12), CURRENCIES)
def test_rounding_moves_an_amount_by_at_most_half_a_minor_unit_and_mirrors_at_zero(digits, places, currency):
    amount = Decimal(digits).scaleb(-places)
    rounded = round_money(amount, currency)
    (top, bottom), minor = amount.as_integer_ratio(), int(str(rounded).replace(".", ""))
    assert 2 * abs(minor * bottom - top * 10 ** exponent(currency)) <= bottom
    assert round_money(-amount, currency) == -rounded


@given(decimals(10**15, 12), st.integers(-1000, 1000), st.integers(1, 1000), CURRENCIES)
def test_a_share_is_within_half_a_minor_unit_of_the_exact_quotient(amount, numerator, denominator, currency):
    share = round_share(amount, numerator, denominator, currency)
    top, bottom = amount.as_integer_ratio()
    minor = int(share.scaleb(exponent(currency)))
    exact_top, exact_bottom = top * numerator * 10 ** exponent(currency), bottom * denominator
    assert 2 * abs(minor * exact_bottom - exact_top) <= exact_bottom


@given(decimals(10**18 - 1, 12))
def test_decimal_text_survives_the_wire(number):
    assert parse_decimal(to_wire(number), field="amount") == number
    assert parse_decimal(trimmed(number), field="amount") == number
