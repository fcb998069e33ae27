"""A percentage off list: every unit and flat part, at most 12 places, bounds and commitments untouched."""

from decimal import Decimal

import pytest

from subscriptions.pricing import off_list, parse_price
from tests.support.rating import net, tiered


def taken(wire, percentage):
    return off_list(parse_price(wire), Decimal(percentage)).to_wire()


@pytest.mark.parametrize(
    ("amount", "percentage", "left"),
    [
        ("0.03", "50", "0.015"),
        ("0.060", "50", "0.03"),
        ("10", "0", "10"),
        ("10", "100", "0"),
        ("10", "12.5", "8.75"),
        ("100", "10", "90"),
        ("0.000000000001", "50", "0.000000000001"),
        ("0.000000000001", "51", "0"),
        ("0.333333333333", "33.333333", "0.222222223333"),
    ],
)
def test_the_amount_is_cheaper_by_the_percentage(amount, percentage, left):
    assert taken({"type": "unit", "amount": amount}, percentage)["amount"] == left


def test_every_part_of_a_tiered_price_is_cheaper_and_its_bounds_stay():
    price = tiered("graduated", ("5", "100", "1"), (None, None, "0.5"), minimumAmount="10", maximumAmount="60")
    assert taken(price, "50") == tiered(
        "graduated", ("5", "50", "0.5"), (None, None, "0.25"), minimumAmount="10", maximumAmount="60"
    )
    assert taken(tiered("volume", (None, "100", None)), "50") == tiered("volume", (None, "50", None))


def test_the_other_models_are_cheaper_too():
    assert taken({"type": "flat", "amount": "30.00"}, "50")["amount"] == "15"
    package = {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}
    assert taken(package, "50") == {"type": "package", "amount": "0.5", "quantityPerPackage": "25"}
    assert taken({"type": "dynamic"}, "20")["multiplier"] == "0.8"
    percentage = {"type": "percentage", "percentage": 2.9, "fixedFeePerEvent": "0.30"}
    assert taken(percentage, "50") == {"type": "percentage", "percentage": 1.45, "fixedFeePerEvent": "0.15"}


def test_a_dimensional_price_has_no_figures_of_its_own():
    with pytest.raises(ValueError, match="no figures"):
        off_list(parse_price({"type": "dimensional"}), Decimal(50))


def test_half_off_list_usage_of_60000_is_30000():
    assert net(taken({"type": "unit", "amount": "0.06"}, "50"), "1000000") == "30000.00"
