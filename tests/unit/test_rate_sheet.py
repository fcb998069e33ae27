"""The prepared way for plain lines gives what the chain gives, to the byte, and is made once for a price."""

from decimal import Decimal

import pytest

from invoicing.rating import RatingInput, rate
from invoicing.rating.chain import run_chain
from invoicing.rating.sheet import sheet_for
from subscriptions.pricing import Discounts, parse_price
from tests.unit.rating import tiered

TIERS = tiered("graduated", ("5", "100", "0"), ("10", "50", None), ("15", None, "5"), (None, None, "1"))
UNIT = {"type": "unit", "amount": "0.25"}


@pytest.mark.parametrize("wire", [TIERS, UNIT], ids=["tiers", "unit"])
@pytest.mark.parametrize("discounts", [Discounts(), Discounts(Decimal("12.5")), Discounts(Decimal(50), Decimal(3))])
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "CLF"])
@pytest.mark.parametrize(
    "quantity",
    ["0", "0E-12", "1E-12", "3", "5", "5.5", "10", "10.000000000001", "15", "200.500000000000", "1E+3"],
)
def test_both_ways_agree_to_the_byte(wire, discounts, currency, quantity):
    line = RatingInput(parse_price(wire), Decimal(quantity), currency, discounts)
    assert sheet_for(line.price, discounts, currency) is not None
    prepared, stepwise = rate(line), run_chain(line)
    assert prepared == stepwise
    assert prepared.account == stepwise.account
    assert [str(part.total) for part in prepared.detailed] == [str(part.total) for part in stepwise.detailed]


def test_equal_prices_share_one_sheet():
    first, second = parse_price(TIERS), parse_price(TIERS)
    assert first is not second
    assert sheet_for(first, Discounts(), "USD") is sheet_for(second, Discounts(), "USD")
    assert sheet_for(first, Discounts(), "USD") is not sheet_for(first, Discounts(), "EUR")


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
    assert sheet_for(parse_price(wire), Discounts(), "USD") is None
