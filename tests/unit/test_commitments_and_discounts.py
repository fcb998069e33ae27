"""The chain around a price: discounts, coupons, maximum and minimum, in this order, also over splits."""

from decimal import Decimal

import pytest

from invoicing.rating import Coupon, FlatComponent
from tests.support.rating import net, rated, tiered, totals

UNIT = {"type": "unit", "amount": "1.00"}
TIERS = tiered("graduated", ("10", None, "1.00"), ("20", None, "0.50"), (None, None, "0.25"))


def unit(amount="1.00", **commitments):
    return {"type": "unit", "amount": amount, **commitments}


def test_a_percentage_discount_is_rounded_on_each_detailed_line():
    price = tiered("graduated", ("1", None, "0.05"), ("2", None, "0.05"), (None, None, "0.05"))
    line = rated(price, "3", percent=50)
    assert [str(part.discount_total) for part in line.detailed] == ["0.03", "0.03", "0.03"]
    assert (str(line.amount), str(line.discounts_total), str(line.net)) == ("0.15", "0.09", "0.06")


@pytest.mark.parametrize(
    ("percent", "currency", "expected"),
    [
        (0, "USD", "9.99"),
        (100, "USD", "0.00"),
        (50, "USD", "4.99"),
        (33.333333, "USD", "6.66"),
        (12.5, "USD", "8.74"),
        (50, "JPY", "5"),
        (12.5, "KWD", "8.741"),
    ],
)
def test_a_percentage_discount_is_rounded_half_up(percent, currency, expected):
    # 9.99 x 0.5 = 4.995 -> 5.00 off; x 0.33333333 = 3.3299 -> 3.33; x 0.125 = 1.24875 -> 1.25 and 1.249.
    assert net(unit("9.99"), "1", currency, percent=percent) == expected


@pytest.mark.parametrize(
    ("quantity", "earlier", "free", "priced", "used"),
    [
        ("0", "0", "110", "0", "0"),
        ("50", "0", "110", "0", "50"),
        ("110", "0", "110", "0", "110"),
        ("111", "0", "110", "1", "110"),
        ("75", "50", "110", "15", "60"),
        ("30", "125", "110", "30", "0"),
        ("10", "110", "110", "10", "0"),
        ("0.5", "109.75", "110", "0.25", "0.25"),
    ],
)
def test_free_units_are_used_up_by_the_earlier_splits_first(quantity, earlier, free, priced, used):
    line = rated(UNIT, quantity, earlier=earlier, free=free)
    assert (line.quantity, line.free_quantity) == (Decimal(priced), Decimal(used))


@pytest.mark.parametrize(
    ("maximum", "quantity", "billed", "expected"),
    [
        ("60", "59", "0", "59.00"),
        ("60", "60", "0", "60.00"),
        ("60", "61", "0", "60.00"),
        ("60", "10", "55", "5.00"),
        ("60", "5", "55", "5.00"),
        ("60", "10", "60", "0.00"),
        ("60", "10", "70", "0.00"),
        ("0", "10", "0", "0.00"),
        ("60.005", "100", "0", "60.01"),
    ],
)
def test_the_maximum_counts_what_earlier_splits_billed(maximum, quantity, billed, expected):
    assert net(unit(maximumAmount=maximum), quantity, billed=billed) == expected


def test_what_goes_beyond_the_maximum_comes_off_the_last_detailed_lines():
    assert totals(TIERS | {"maximumAmount": "12.00"}, "30") == ["10.00", "2.00", "0.00"]


def test_the_maximum_compares_the_net_after_discounts():
    assert net(unit("10", maximumAmount="60"), "12", percent=50) == "60.00"
    assert net(unit("10", maximumAmount="60"), "11", percent=50) == "55.00"


@pytest.mark.parametrize(
    ("minimum", "quantity", "billed", "fraction", "charge"),
    [
        ("100", "100", "0", (1, 1), "0.00"),
        ("100", "99", "0", (1, 1), "1.00"),
        ("100", "0", "0", (1, 1), "100.00"),
        ("100", "10", "50", (1, 1), "40.00"),
        ("100", "10", "95", (1, 1), "0.00"),
        ("100", "0", "0", (31, 91), "34.07"),
        ("100", "30", "0", (31, 91), "4.07"),
        ("100", "35", "0", (31, 91), "0.00"),
        ("100", "0", "0", (0, 91), "0.00"),
    ],
)
def test_the_minimum_tops_up_the_period_and_is_prorated_with_it(minimum, quantity, billed, fraction, charge):
    line = rated(unit(minimumAmount=minimum), quantity, billed=billed, fraction=fraction)
    assert str(line.charges_total) == charge
    assert str(line.amount) == f"{quantity}.00"


def test_the_minimum_is_a_detailed_line_of_its_own_without_discounts():
    line = rated(unit(minimumAmount="100"), "40", percent=50)
    assert [(part.kind, part.category, str(part.total)) for part in line.detailed] == [
        ("unit", "regular", "20.00"),
        ("minimum", "commitment", "80.00"),
    ]
    assert (str(line.amount), str(line.charges_total), str(line.discounts_total), str(line.net)) == (
        "40.00",
        "80.00",
        "20.00",
        "100.00",
    )


def test_only_the_line_that_closes_the_period_bills_the_minimum():
    price = unit(minimumAmount="100")
    assert net(price, "40", is_last_split=False) == "40.00"
    assert net(price, "10", earlier="40", billed="40", is_first_split=False) == "60.00"


def test_the_minimum_of_an_extended_period_stays_within_the_maximum():
    price = unit(minimumAmount="100", maximumAmount="120")
    assert net(price, "0", fraction=(11, 10)) == "110.00"
    assert net(price, "0", fraction=(15, 10)) == "120.00"


@pytest.mark.parametrize(
    ("percent", "currency", "quantity", "expected", "used"),
    [
        ("10", "USD", "100", "90.00", "10.00"),
        ("10", "USD", "0.05", "0.04", "0.01"),
        ("10", "USD", "0.04", "0.04", "0.00"),
        ("100", "USD", "12.34", "0.00", "12.34"),
        ("15", "JPY", "10", "8", "2"),
        ("15", "KWD", "0.010", "0.008", "0.002"),
    ],
)
def test_a_percentage_coupon_is_rounded_once_for_the_line(percent, currency, quantity, expected, used):
    line = rated(UNIT, quantity, currency, coupon=Coupon("SPRING", percentage=Decimal(percent)))
    assert (str(line.net), str(line.coupon_used)) == (expected, used)


@pytest.mark.parametrize(
    ("remaining", "quantity", "expected", "used"),
    [
        ("5", "20", "15.00", "5.00"),
        ("20", "20", "0.00", "20.00"),
        ("25", "20", "0.00", "20.00"),
        ("0", "20", "20.00", "0.00"),
        ("25", "0", "0.00", "0.00"),
    ],
)
def test_a_fixed_coupon_never_takes_a_line_below_zero(remaining, quantity, expected, used):
    line = rated(UNIT, quantity, coupon=Coupon("FIVE", remaining=Decimal(remaining)))
    assert (str(line.net), str(line.coupon_used)) == (expected, used)


def test_a_coupon_is_spread_over_the_detailed_lines_by_largest_remainder():
    line = rated(TIERS, "30", coupon=Coupon("FIVE", remaining=Decimal("5.00")))
    # 10.00 + 5.00 + 2.50: 5.00 splits into 2.857, 1.428, 0.714.
    assert [str(part.discount_total) for part in line.detailed] == ["2.86", "1.43", "0.71"]
    assert {part.discounts[0].code for part in line.detailed} == {"FIVE"}


def test_a_coupon_comes_off_the_parts_that_charge_something():
    seats = (FlatComponent(Decimal(8), 1, 1), FlatComponent(Decimal(-3), 1, 2))
    line = rated({"type": "flat", "amount": "10.00"}, "5", components=seats, coupon=Coupon("TEN", Decimal(10)))
    assert [str(part.total) for part in line.detailed] == ["73.50", "-15.00"]
    assert (str(line.coupon_used), str(line.net)) == ("6.50", "58.50")


def test_a_coupon_comes_after_the_percentage_discount_and_before_the_maximum():
    price = unit("10", maximumAmount="60")
    line = rated(price, "14", percent=50, coupon=Coupon("FIVE", remaining=Decimal(5)))
    assert [(discount.reason, str(discount.amount)) for discount in line.detailed[0].discounts] == [
        ("ratecard_percentage", "70.00"),
        ("coupon", "5.00"),
        ("maximum_spend", "5.00"),
    ]
    assert str(line.net) == "60.00"


def test_a_coupon_does_not_lower_the_minimum():
    line = rated(unit(minimumAmount="100"), "40", coupon=Coupon("FIVE", remaining=Decimal(5)))
    assert (str(line.net), str(line.charges_total)) == ("100.00", "65.00")
