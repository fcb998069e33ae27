"""The account of a line: what it holds, how it reads, and that nothing else is needed to compute it again."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from invoicing.rating import Coupon, FlatComponent, readable, recompute, replay
from tests.unit.rating import rated, tiered

DAY = 86400
GRADUATED = tiered("graduated", ("5", "100", None), ("10", "50", None), ("15", None, "5"), (None, None, "1"))


def test_an_account_is_plain_json_with_every_input_and_step():
    line = rated({"type": "unit", "amount": "0.25"}, "130", "EUR", earlier="20", free="100", percent=10)
    assert json.loads(line.account) == {
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
    assert line.explain == json.loads(line.account)


def test_padded_quantities_are_shown_without_their_zeros():
    account = rated({"type": "unit", "amount": "1"}, "200.500000000000").explain
    assert account["quantity"] == {"window": "200.5", "priced": "200.5"}
    assert account["parts"][0]["quantity"] == "200.5"


def test_a_graduated_line_reads_as_arithmetic():
    assert readable(rated(GRADUATED, "22", "EUR").explain) == [
        "Tier 1: up to 5, flat part: 1 × 100 = 100.00",
        "Tier 2: over 5 up to 10, flat part: 1 × 50 = 50.00",
        "Tier 3: over 10 up to 15: 5 × 5 = 25.00",
        "Tier 4: over 15: 7 × 1 = 7.00",
        "Net: 182.00 EUR",
    ]


def test_a_line_with_everything_reads_as_arithmetic():
    price = {"type": "unit", "amount": "10", "maximumAmount": "60"}
    line = rated(price, "15", free="1", percent=50, coupon=Coupon("FIVE", remaining=Decimal(5)))
    assert readable(line.explain) == [
        "Quantity: 15 − 1 of 1 free = 14",
        "Units: 14 × 10 = 140.00, − 70.00 (50 % discount), − 5.00 (coupon FIVE), − 5.00 (over the maximum spend)"
        " = 60.00",
        "Net: 140.00 − 80.00 discounts = 60.00 USD",
    ]


def test_a_minimum_reads_as_arithmetic():
    line = rated({"type": "unit", "amount": "1", "minimumAmount": "100"}, "10", earlier="40", billed="40")
    assert readable(line.explain) == [
        "Billed earlier in the period: 40",
        "Units: 10 × 1 = 10.00",
        "Minimum spend: 1 × 50.00 = 50.00",
        "Minimum spend of the period: 100.00; earlier parts of the period came to 40",
        "Net: 10.00 + 50.00 commitments = 60.00 USD",
    ]


def test_a_prorated_fee_reads_as_arithmetic():
    line = rated({"type": "flat", "amount": "9.00"}, "1", "EUR", fraction=(31 * DAY, 91 * DAY))
    assert readable(line.explain) == ["Flat fee: 1 × 9.00 × 2678400/7862400 = 3.07", "Net: 3.07 EUR"]


def test_an_idle_period_says_that_there_is_nothing_to_charge():
    assert readable(rated({"type": "unit", "amount": "1"}, "0").explain) == ["Nothing to charge.", "Net: 0.00 USD"]
    assert readable(rated({"type": "unit", "amount": "1"}, "-5", earlier="9").explain) == [
        "Billed earlier in the period: 9",
        "Quantity: -5, priced as 0",
        "Nothing to charge.",
        "Net: 0.00 USD",
    ]


def test_components_keep_their_times():
    start, end = datetime(2026, 4, 16, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    line = rated({"type": "flat", "amount": "10"}, "3", components=(FlatComponent(Decimal(3), 1, 2, start, end),))
    assert line.explain["parts"][0]["from"] == "2026-04-16T00:00:00+00:00"
    assert replay(line.explain).detailed == line.detailed


def test_an_account_is_enough_to_compute_the_line_again():
    price = GRADUATED | {"minimumAmount": "300", "maximumAmount": "900"}
    line = rated(price, "22", "EUR", percent=12.5, free="3", fraction=(31, 91), is_last_split=True)
    account = json.loads(line.account)
    assert recompute(account) == line.net
    assert replay(account) == line


def test_a_changed_figure_does_not_recompute_to_the_same_net():
    account = rated(GRADUATED, "22").explain
    account["parts"][0]["unitAmount"] = "101"
    assert recompute(account) == Decimal("183.00")
    account["price"]["tiers"][1]["flatPrice"]["amount"] = "51"
    assert replay(account).net == Decimal("183.00")


def test_an_account_of_another_version_is_not_replayed():
    with pytest.raises(ValueError, match="version 2"):
        replay({**rated(GRADUATED, "1").explain, "version": 2})


def test_a_full_period_counted_in_seconds_is_computed_again_to_the_same_detailed_line():
    line = rated({"type": "flat", "amount": "29.90"}, "2", fraction=(30 * DAY, 30 * DAY))
    assert "fraction" not in line.explain["parts"][0]
    assert replay(line.explain).detailed == line.detailed
