"""The worked figures of the billing rules that rating alone decides."""

from decimal import Decimal

from invoicing.rating import FlatComponent
from tests.support.rating import net, rated, tiered, totals

APRIL = 30 * 86400
FLAT = {"type": "flat", "amount": "10.00"}
GRADUATED = tiered("graduated", ("5", "100", "0"), ("10", "50", None), ("15", None, "5"), (None, None, "1"))


def test_a_quarterly_fee_of_nine_ended_after_31_of_91_days_is_3_07():
    assert net({"type": "flat", "amount": "9.00"}, "1", fraction=(31, 91)) == "3.07"


def test_a_monthly_fee_of_ten_for_30_of_31_days_is_9_68():
    assert net(FLAT, "1", fraction=(30, 31)) == "9.68"


def test_a_monthly_fee_of_five_split_at_14_of_31_days_is_2_26_and_2_74():
    fee = {"type": "flat", "amount": "5.00"}
    assert net(fee, "1", fraction=(14, 31)) == "2.26"
    assert net(fee, "1", fraction=(17, 31)) == "2.74"


def test_22_units_over_four_graduated_tiers_are_100_and_50_and_25_and_7():
    assert net(GRADUATED, "22") == "182.00"
    assert totals(GRADUATED, "22") == ["100.00", "0.00", "50.00", "25.00", "7.00"]


def test_200_gigabytes_in_packages_of_25_at_one_are_8():
    assert net({"type": "package", "amount": "1.00", "quantityPerPackage": "25"}, "200", "EUR") == "8.00"


def test_14_units_at_ten_with_half_off_and_a_maximum_of_60_are_70_net_and_billed_60():
    line = rated({"type": "unit", "amount": "10", "maximumAmount": "60"}, "14", percent=50)
    (part,) = line.detailed
    assert [(discount.reason, str(discount.amount)) for discount in part.discounts] == [
        ("ratecard_percentage", "70.00"),
        ("maximum_spend", "10.00"),
    ]
    assert (str(line.amount), str(line.discounts_total), str(line.net)) == ("140.00", "80.00", "60.00")


def test_five_seats_and_three_more_from_the_16th_of_april_are_50_and_15():
    seats = (FlatComponent(Decimal(5), APRIL, APRIL), FlatComponent(Decimal(3), APRIL // 2, APRIL))
    assert totals(FLAT, "8", components=seats) == ["50.00", "15.00"]
    assert net(FLAT, "8", components=seats) == "65.00"


def test_three_more_seats_for_half_of_april_alone_are_15_and_eight_for_may_are_80():
    assert net(FLAT, "3", components=(FlatComponent(Decimal(3), APRIL // 2, APRIL),)) == "15.00"
    assert net(FLAT, "8") == "80.00"


def test_110_free_units_are_used_up_by_the_earlier_splits_first():
    price = {"type": "unit", "amount": "1"}
    splits = [("50", "0"), ("75", "50"), ("30", "125")]
    lines = [rated(price, quantity, earlier=earlier, free="110") for quantity, earlier in splits]
    assert [str(line.quantity) for line in lines] == ["0", "15", "30"]
    assert [str(line.free_quantity) for line in lines] == ["50", "60", "0"]
    assert [str(line.net) for line in lines] == ["0.00", "15.00", "30.00"]


def test_an_upgrade_on_the_16th_of_april_is_15_back_and_45_more():
    half = (APRIL // 2, APRIL)
    assert net({"type": "flat", "amount": "30.00"}, "1", fraction=half) == "15.00"
    assert net({"type": "flat", "amount": "90.00"}, "1", fraction=half) == "45.00"


def test_the_combinations_of_two_dimensions_come_to_425():
    rates = [("60", "2.00"), ("30", "4.00"), ("10", "6.00"), ("50", "2.50")]
    amounts = [net({"type": "unit", "amount": amount}, quantity) for quantity, amount in rates]
    assert amounts == ["120.00", "120.00", "60.00", "125.00"]
