"""The worked figures of the billing rules that rating alone decides."""

from decimal import Decimal

from invoicing.rating import FlatComponent, RatingInput, rate
from subscriptions.pricing import parse_price

APRIL = 30 * 86400


def rated(wire, quantity, currency="EUR", **rest):
    return rate(RatingInput(price=parse_price(wire), quantity=Decimal(quantity), currency=currency, **rest))


def flat(amount, **rest):
    return rated({"type": "flat", "amount": amount}, 1, **rest).net


def test_a_quarterly_fee_of_nine_ended_after_31_of_91_days_is_3_07():
    assert str(flat("9.00", fraction=(31, 91))) == "3.07"


def test_a_monthly_fee_of_ten_for_30_of_31_days_is_9_68():
    assert str(flat("10.00", fraction=(30, 31))) == "9.68"


def test_a_monthly_fee_of_five_split_at_14_of_31_days_is_2_26_and_2_74():
    assert str(flat("5.00", fraction=(14, 31))) == "2.26"
    assert str(flat("5.00", fraction=(17, 31))) == "2.74"


def test_200_gigabytes_in_packages_of_25_at_one_are_8():
    line = rated({"type": "package", "amount": "1.00", "quantityPerPackage": "25"}, 200)
    assert str(line.net) == "8.00"


def test_five_seats_and_three_more_from_the_16th_of_april_are_50_and_15():
    seats = (FlatComponent(Decimal(5), APRIL, APRIL), FlatComponent(Decimal(3), APRIL // 2, APRIL))
    line = rated({"type": "flat", "amount": "10.00"}, 8, components=seats)
    assert [str(part.total) for part in line.detailed] == ["50.00", "15.00"]
    assert str(line.net) == "65.00"
