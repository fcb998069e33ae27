"""The prepared way for plain lines gives what the chain gives, to the byte, and is made once for a price."""

from dataclasses import replace
from decimal import Context, Decimal, getcontext, localcontext

import pytest

from core.money import exact_arithmetic
from invoicing.rating import RatingInput, rate
from invoicing.rating.chain import run_chain
from invoicing.rating.sheet import prepare
from subscriptions.pricing import Discounts, UnitPrice, parse_price
from tests.support.rating import tiered

TIERS = tiered("graduated", ("5", "100", "0"), ("10", "50", None), ("15", None, "5"), (None, None, "1"))
UNIT = {"type": "unit", "amount": "0.25"}


def sheet(price, discounts, currency):
    return prepare(price, discounts, currency)[2]


@pytest.mark.parametrize("wire", [TIERS, UNIT], ids=["tiers", "unit"])
@pytest.mark.parametrize("discounts", [Discounts(), Discounts(Decimal("12.5")), Discounts(Decimal(50), Decimal(3))])
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "CLF"])
@pytest.mark.parametrize(
    "quantity",
    ["-3", "0", "0E-12", "1E-12", "3", "5", "5.5", "10", "10.000000000001", "15", "200.500000000000", "1E+3"],
)
def test_both_ways_agree_to_the_byte(wire, discounts, currency, quantity):
    line = RatingInput(parse_price(wire), Decimal(quantity), currency, discounts)
    assert sheet(line.price, discounts, currency) is not None
    prepared, stepwise = rate(line), run_chain(line)
    assert prepared == stepwise
    assert prepared.explanation == stepwise.explanation
    assert [str(part.total) for part in prepared.detailed] == [str(part.total) for part in stepwise.detailed]


def test_equal_prices_share_one_sheet():
    first, second = parse_price(TIERS), parse_price(TIERS)
    assert first is not second
    assert sheet(first, Discounts(), "USD") is sheet(second, Discounts(), "USD")
    assert sheet(first, Discounts(), "USD") is not sheet(first, Discounts(), "EUR")


def test_one_price_serves_several_discounts_and_currencies_in_turn():
    price, none, half = parse_price(UNIT), Discounts(), Discounts(Decimal(50))
    turns = [(none, "USD", "1.00"), (half, "USD", "0.50"), (half, "JPY", "0"), (none, "KWD", "1.000")]
    for discounts, currency, net in [*turns, *turns]:
        assert str(rate(RatingInput(price, Decimal(4), currency, discounts)).net) == net


def test_a_changed_copy_of_a_price_is_rated_by_its_own_figures():
    price = parse_price(UNIT)
    assert isinstance(price, UnitPrice)
    assert str(rate(RatingInput(price, Decimal(4), "USD")).net) == "1.00"
    assert str(rate(RatingInput(replace(price, amount=Decimal(2)), Decimal(4), "USD")).net) == "8.00"


def test_the_callers_arithmetic_makes_no_difference_and_is_left_as_it_was():
    line = RatingInput(parse_price(UNIT), Decimal("123456789012345678.123456789012"), "USD")
    with localcontext(Context(prec=5)) as callers:
        narrow = rate(line)
        assert getcontext() is callers
    with exact_arithmetic():
        assert rate(line) == narrow
    assert str(narrow.net) == "30864197253086419.53"


def test_equal_prices_that_are_written_differently_keep_their_own_text():
    for amount in ("0.1", "0.10"):
        line = rate(RatingInput(parse_price({"type": "unit", "amount": amount}), Decimal(1), "USD"))
        assert line.explain["price"]["amount"] == line.explain["parts"][0]["unitAmount"] == amount


@pytest.mark.parametrize(
    "wire",
    [
        UNIT | {"minimumAmount": "5"},
        UNIT | {"maximumAmount": "5"},
        {"type": "package", "amount": "1", "quantityPerPackage": "25"},
        tiered("volume", (None, None, "1")),
    ],
)
def test_prices_that_are_not_straight_have_no_sheet(wire):
    assert sheet(parse_price(wire), Discounts(), "USD") is None
