"""The explanation of a line: what it holds, how it reads, and that nothing else is needed to compute it again."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from invoicing.rating import Coupon, FlatComponent, read_explanation, readable, recompute, replay
from tests.support.rating import rated, tiered

DAY = 86400
GRADUATED = tiered("graduated", ("5", "100", None), ("10", "50", None), ("15", None, "5"), (None, None, "1"))


def test_an_explanation_is_plain_json_with_every_input_and_step():
    line = rated({"type": "unit", "amount": "0.25"}, "130", "EUR", earlier="20", free="100", percent=10)
    assert json.loads(line.explanation) == {
        "version": 1,
        "currency": "EUR",
        "price": {"type": "unit", "amount": "0.25"},
        "discounts": {"percentage": {"percentage": 10}, "usage": {"quantity": "100"}},
        "quantity": {"window": "130", "earlier": "20", "free": "80", "priced": "50"},
        "parts": [
            {
                "kind": "unit",
                "name": "Units",
                "quantity": "50",
                "unitAmount": "0.25",
                "amount": "12.50",
                "total": "11.25",
                "discounts": [{"reason": "ratecard_percentage", "amount": "1.25", "percentage": "10"}],
            }
        ],
        "totals": {"amount": "12.50", "chargesTotal": "0.00", "discountsTotal": "1.25", "net": "11.25"},
    }
    assert line.explain == json.loads(line.explanation)


def test_padded_quantities_are_shown_without_their_zeros():
    explanation = rated({"type": "unit", "amount": "1"}, "200.500000000000").explain
    assert explanation["quantity"] == {"window": "200.5", "priced": "200.5"}
    assert explanation["parts"][0]["quantity"] == "200.5"


def test_a_graduated_line_reads_as_arithmetic():
    assert readable(read_explanation(rated(GRADUATED, "22", "EUR").explain)) == [
        "Quantity: 22",
        "Tier 1: up to 5, flat part: 1 × 100 = 100.00",
        "Tier 2: over 5 up to 10, flat part: 1 × 50 = 50.00",
        "Tier 3: over 10 up to 15: 5 × 5 = 25.00",
        "Tier 4: over 15: 7 × 1 = 7.00",
        "Net: 182.00 EUR",
    ]


def test_a_line_with_everything_reads_as_arithmetic():
    price = {"type": "unit", "amount": "10", "maximumAmount": "60"}
    line = rated(price, "15", free="1", percent=50, coupon=Coupon("FIVE", remaining=Decimal(5)))
    assert readable(read_explanation(line.explain)) == [
        "Quantity: 15 − 1 of 1 free = 14",
        "Coupon FIVE: up to 5 off",
        "Units: 14 × 10 = 140.00, − 70.00 (50 % discount), − 5.00 (coupon FIVE), − 5.00 (over the maximum spend)"
        " = 60.00",
        "Maximum spend of the period: 60",
        "Net: 140.00 − 80.00 discounts = 60.00 USD",
    ]


def test_a_minimum_reads_as_arithmetic():
    line = rated({"type": "unit", "amount": "1", "minimumAmount": "100"}, "10", earlier="40", billed="40")
    assert readable(read_explanation(line.explain)) == [
        "Billed earlier in the period: 40",
        "Quantity: 10",
        "Units: 10 × 1 = 10.00",
        "Minimum spend: 1 × 50.00 = 50.00",
        "Minimum spend of the period: 100.00; earlier parts of the period came to 40",
        "Net: 10.00 + 50.00 commitments = 60.00 USD",
    ]


def test_a_prorated_fee_reads_as_arithmetic():
    line = rated({"type": "flat", "amount": "9.00"}, "1", "EUR", fraction=(31 * DAY, 91 * DAY))
    assert readable(read_explanation(line.explain)) == ["Flat fee: 1 × 9.00 × 31/91 days = 3.07", "Net: 3.07 EUR"]
    assert recompute(read_explanation(line.explain)) == replay(read_explanation(line.explain)).net == Decimal("3.07")


def test_a_minimum_of_a_short_period_shows_how_it_was_prorated():
    price = {"type": "unit", "amount": "1", "minimumAmount": "100"}
    assert readable(read_explanation(rated(price, "10", fraction=(31 * DAY, 91 * DAY)).explain)) == [
        "Quantity: 10",
        "Units: 10 × 1 = 10.00",
        "Minimum spend: 1 × 24.07 = 24.07",
        "Minimum spend of the period: 100 × 31/91 days = 34.07",
        "Net: 10.00 + 24.07 commitments = 34.07 USD",
    ]


def test_a_minimum_of_an_extended_period_says_that_the_maximum_bounds_it():
    price = {"type": "unit", "amount": "1", "minimumAmount": "100", "maximumAmount": "120"}
    assert readable(read_explanation(rated(price, "0", fraction=(45 * DAY, 30 * DAY)).explain)) == [
        "Quantity: 0",
        "Minimum spend: 1 × 120.00 = 120.00",
        "Minimum spend of the period: 100 × 45/30 days = 150.00, at most the maximum spend of 120",
        "Net: 0.00 + 120.00 commitments = 120.00 USD",
    ]


def test_where_no_package_was_started_none_is_told():
    price = {"type": "package", "amount": "3", "quantityPerPackage": "25"}
    assert readable(read_explanation(rated(price, "0").explain)) == [
        "Quantity: 0",
        "Nothing to charge.",
        "Net: 0.00 USD",
    ]


def test_a_maximum_names_what_earlier_parts_of_the_period_came_to():
    price = {"type": "unit", "amount": "1", "maximumAmount": "60"}
    assert readable(read_explanation(rated(price, "10", earlier="55", billed="55.00").explain)) == [
        "Billed earlier in the period: 55",
        "Quantity: 10",
        "Units: 10 × 1 = 10.00, − 5.00 (over the maximum spend) = 5.00",
        "Maximum spend of the period: 60; earlier parts of the period came to 55.00",
        "Net: 10.00 − 5.00 discounts = 5.00 USD",
    ]


def test_a_coupon_in_percent_shows_its_percentage():
    line = rated({"type": "flat", "amount": "27.90"}, "1", "EUR", coupon=Coupon("WELCOME25", Decimal(25)))
    assert readable(read_explanation(line.explain)) == [
        "Coupon WELCOME25: 25 % of the line, rounded once",
        "Flat fee: 1 × 27.90 = 27.90, − 6.98 (coupon WELCOME25, 25 %) = 20.92",
        "Net: 27.90 − 6.98 discounts = 20.92 EUR",
    ]


PACKAGES = {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}


@pytest.mark.parametrize(
    ("quantity", "rest", "words"),
    [
        ("201", {}, ["Quantity: 201", "Packages of 25 units: 201 / 25, rounded up = 9", "Packages: 9 × 1.00 = 9.00"]),
        ("200", {}, ["Quantity: 200", "Packages of 25 units: 200 / 25, rounded up = 8", "Packages: 8 × 1.00 = 8.00"]),
        (
            "2",
            {"earlier": "24"},
            [
                "Billed earlier in the period: 24",
                "Quantity: 2",
                "Packages of 25 units: 26 / 25, rounded up = 2, 1 of them billed earlier",
                "Packages: 1 × 1.00 = 1.00",
            ],
        ),
        (
            "60",
            {"earlier": "24", "free": "50"},
            [
                "Billed earlier in the period: 24",
                "Quantity: 60 − 26 of 50 free = 34",
                "Packages of 25 units: 34 / 25, rounded up = 2",
                "Packages: 2 × 1.00 = 2.00",
            ],
        ),
    ],
)
def test_packages_show_how_they_were_counted(quantity, rest, words):
    assert readable(read_explanation(rated(PACKAGES, quantity, **rest).explain))[:-1] == words


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        ((15 * DAY, 30 * DAY), "15/30 days"),
        # A month with a change of the clocks.
        ((1299600, 2588400), "361/719 hours"),
        ((90, 7200), "90/7200 seconds"),
        ((5400, 7200), "90/120 minutes"),
        ((1_295_999_500_000, 2_592_000_000_000), "1295999.5/2592000 seconds"),
    ],
)
def test_a_share_of_a_period_is_told_in_the_largest_unit_of_which_both_are_whole(fraction, words):
    line = rated({"type": "flat", "amount": "9.00"}, "1", "EUR", fraction=fraction)
    (step, _) = readable(read_explanation(line.explain))
    assert f"1 × 9.00 × {words} = " in step


def test_seats_that_came_later_name_their_time():
    start, end = datetime(2026, 4, 16, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    line = rated({"type": "flat", "amount": "10"}, "3", components=(FlatComponent(Decimal(3), 15, 30, start, end),))
    assert readable(read_explanation(line.explain))[0] == (
        "Flat fee (2026-04-16 00:00 UTC to 2026-05-01 00:00 UTC): 3 × 10 × 15/30 seconds = 15.00"
    )


def test_an_idle_period_says_that_there_is_nothing_to_charge():
    assert readable(read_explanation(rated({"type": "unit", "amount": "1"}, "0").explain)) == [
        "Quantity: 0",
        "Nothing to charge.",
        "Net: 0.00 USD",
    ]
    assert readable(read_explanation(rated({"type": "unit", "amount": "1"}, "-5", earlier="9").explain)) == [
        "Billed earlier in the period: 9",
        "Quantity: -5, priced as 0",
        "Nothing to charge.",
        "Net: 0.00 USD",
    ]


def test_components_keep_their_times():
    start, end = datetime(2026, 4, 16, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    line = rated({"type": "flat", "amount": "10"}, "3", components=(FlatComponent(Decimal(3), 1, 2, start, end),))
    assert line.explain["parts"][0]["from"] == "2026-04-16T00:00:00+00:00"
    assert replay(read_explanation(line.explain)).detailed == line.detailed


def test_an_explanation_is_enough_to_compute_the_line_again():
    price = GRADUATED | {"minimumAmount": "300", "maximumAmount": "900"}
    line = rated(price, "22", "EUR", percent=12.5, free="3", fraction=(31, 91), is_last_split=True)
    explanation = json.loads(line.explanation)
    assert recompute(read_explanation(explanation)) == line.net
    assert replay(read_explanation(explanation)) == line


def test_a_part_of_a_period_that_does_not_close_it_is_computed_again_without_the_minimum():
    price = {"type": "unit", "amount": "1", "minimumAmount": "100"}
    line = rated(price, "40", is_last_split=False)
    assert line.explain["split"] == {"first": True, "last": False}
    assert replay(read_explanation(line.explain)) == line
    assert str(line.net) == "40.00"


def test_a_changed_figure_does_not_recompute_to_the_same_net():
    explanation = rated(GRADUATED, "22").explain
    explanation["parts"][0]["unitAmount"] = "101"
    assert recompute(read_explanation(explanation)) == Decimal("183.00")
    explanation["price"]["tiers"][1]["flatPrice"]["amount"] = "51"
    assert replay(read_explanation(explanation)).net == Decimal("183.00")


def test_an_explanation_of_another_version_is_not_replayed():
    with pytest.raises(ValueError, match="version 2"):
        replay(read_explanation({**rated(GRADUATED, "1").explain, "version": 2}))


def test_a_full_period_counted_in_seconds_is_computed_again_to_the_same_detailed_line():
    line = rated({"type": "flat", "amount": "29.90"}, "2", fraction=(30 * DAY, 30 * DAY))
    assert "fraction" not in line.explain["parts"][0]
    assert replay(read_explanation(line.explain)).detailed == line.detailed
