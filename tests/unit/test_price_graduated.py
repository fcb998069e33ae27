"""The graduated price: tables of literal figures."""

import pytest

from tests.support.rating import net, rated, tiered

# 0 < q <= 5: 100 flat; 5 < q <= 10: 50 flat; 10 < q <= 15: 5 each; beyond: 1 each.
MIXED = tiered("graduated", ("5", "100", "0"), ("10", "50", None), ("15", None, "5"), (None, None, "1"))
# 100 free, then 0.25 up to 1000, then 0.10.
METERED = tiered("graduated", ("100", None, "0"), ("1000", None, "0.25"), (None, None, "0.10"))
# Parts of units and of cents.
FINE = tiered("graduated", ("0.5", None, "0.333"), ("1.5", "0.005", "0.015"), (None, None, "0.000001"))


@pytest.mark.parametrize(
    ("price", "quantity", "currency", "expected"),
    [
        (MIXED, "0", "USD", "100.00"),
        (MIXED, "1", "USD", "100.00"),
        (MIXED, "5", "USD", "100.00"),
        (MIXED, "5.000000000001", "USD", "150.00"),
        (MIXED, "6", "USD", "150.00"),
        (MIXED, "10", "USD", "150.00"),
        (MIXED, "11", "USD", "155.00"),
        (MIXED, "15", "USD", "175.00"),
        (MIXED, "15.5", "USD", "175.50"),
        (MIXED, "16", "USD", "176.00"),
        (MIXED, "22", "USD", "182.00"),
        (MIXED, "22", "JPY", "182"),
        (MIXED, "15.5", "JPY", "176"),
        (MIXED, "15.5", "KWD", "175.500"),
        (MIXED, "1000000000000015", "USD", "1000000000000175.00"),
        (METERED, "0", "EUR", "0.00"),
        (METERED, "100", "EUR", "0.00"),
        (METERED, "101", "EUR", "0.25"),
        (METERED, "100.02", "EUR", "0.01"),
        (METERED, "100.01", "EUR", "0.00"),
        (METERED, "1000", "EUR", "225.00"),
        (METERED, "1001", "EUR", "225.10"),
        (METERED, "100", "JPY", "0"),
        (METERED, "102", "JPY", "1"),
        (METERED, "103", "JPY", "1"),
        # 0.5 x 0.333 = 0.1665 -> 0.17
        (FINE, "0.5", "USD", "0.17"),
        # 0.17, the flat part 0.005 -> 0.01, 0.5 x 0.015 = 0.0075 -> 0.01
        (FINE, "1", "USD", "0.19"),
        # 0.17 + 0.01 + 0.015 -> 0.02 + 998.5 x 0.000001 -> 0.00
        (FINE, "1000", "USD", "0.20"),
        # 0.1665 -> 0.167, 0.005, 0.015, 0.0009985 -> 0.001
        (FINE, "1000", "KWD", "0.188"),
    ],
)
def test_each_unit_costs_what_its_tier_says_and_each_part_is_rounded_once(price, quantity, currency, expected):
    assert net(price, quantity, currency) == expected


@pytest.mark.parametrize(
    ("quantity", "earlier", "first", "expected"),
    [
        ("0", "0", True, "100.00"),
        ("0", "0", False, "0.00"),
        ("3", "0", False, "0.00"),
        ("5", "0", True, "100.00"),
        ("1", "5", False, "50.00"),
        ("2", "6", False, "0.00"),
        ("2", "4", False, "50.00"),
        ("10", "4", False, "70.00"),
        ("1", "10", False, "5.00"),
        ("7", "15", False, "7.00"),
        ("0", "22", False, "0.00"),
        ("22", "0", False, "82.00"),
        ("18", "4", False, "82.00"),
        ("17", "5", True, "182.00"),
    ],
)
def test_a_later_window_continues_where_the_earlier_ones_ended(quantity, earlier, first, expected):
    assert net(MIXED, quantity, earlier=earlier, is_first_split=first) == expected


def test_free_units_move_the_usage_down_the_tiers():
    assert net(METERED, "301", free="200") == "0.25"


def test_detailed_lines_name_their_tier():
    parts = rated(MIXED, "12").detailed
    assert [(part.kind, part.name, part.tier, str(part.quantity)) for part in parts] == [
        ("tier_flat", "Tier 1: up to 5, flat part", 1, "1"),
        ("tier_unit", "Tier 1: up to 5", 1, "5"),
        ("tier_flat", "Tier 2: over 5 up to 10, flat part", 2, "1"),
        ("tier_unit", "Tier 3: over 10 up to 15", 3, "2"),
    ]


def test_a_single_open_tier_is_a_unit_price():
    assert net(tiered("graduated", (None, None, "2")), "3") == "6.00"
