"""The volume price: tables of literal figures."""

import pytest

from tests.support.rating import net, rated, tiered

# Up to 10: 1.00 each; up to 100: 0.80 each and 5.00; beyond: 0.50 each and 20.00.
STEPS = tiered("volume", ("10", None, "1.00"), ("100", "5.00", "0.80"), (None, "20.00", "0.50"))
# A flat part alone, also at zero.
FLATS = tiered("volume", ("10", "10.00", None), ("20", "15.00", None), (None, "18.00", "0.01"))


@pytest.mark.parametrize(
    ("price", "quantity", "currency", "expected"),
    [
        (STEPS, "0", "USD", "0.00"),
        (STEPS, "1", "USD", "1.00"),
        (STEPS, "9.99", "USD", "9.99"),
        (STEPS, "10", "USD", "10.00"),
        (STEPS, "10.000000000001", "USD", "13.00"),
        (STEPS, "10.01", "USD", "13.01"),
        (STEPS, "11", "USD", "13.80"),
        (STEPS, "100", "USD", "85.00"),
        (STEPS, "101", "USD", "70.50"),
        (STEPS, "1000", "USD", "520.00"),
        (STEPS, "1000000000000000", "USD", "500000000000020.00"),
        (STEPS, "0.004", "USD", "0.00"),
        (STEPS, "0.005", "USD", "0.01"),
        (STEPS, "10", "JPY", "10"),
        (STEPS, "11", "JPY", "14"),
        (STEPS, "101", "JPY", "71"),
        (STEPS, "11", "KWD", "13.800"),
        (STEPS, "10.0001", "KWD", "13.000"),
        (STEPS, "10.0007", "KWD", "13.001"),
        (STEPS, "-3", "USD", "0.00"),
        (FLATS, "0", "USD", "10.00"),
        (FLATS, "10", "USD", "10.00"),
        (FLATS, "10.5", "USD", "15.00"),
        (FLATS, "20", "USD", "15.00"),
        (FLATS, "21", "USD", "18.21"),
        (FLATS, "20.4", "USD", "18.20"),
        (FLATS, "0", "JPY", "10"),
        (FLATS, "50", "JPY", "19"),
        (FLATS, "49", "JPY", "18"),
    ],
)
def test_all_units_cost_what_the_tier_of_the_total_says(price, quantity, currency, expected):
    assert net(price, quantity, currency) == expected


def test_preserved_usage_counts_for_the_tier_but_is_not_charged_again():
    assert net(STEPS, "5", earlier="96", is_first_split=False) == "2.50"
    assert net(STEPS, "5", earlier="5", is_first_split=False) == "5.00"


def test_free_units_can_lower_the_tier():
    assert net(STEPS, "15", free="5") == "10.00"


def test_detailed_lines_name_the_tier():
    parts = rated(STEPS, "11").detailed
    assert [(part.kind, part.name, str(part.total)) for part in parts] == [
        ("volume_flat", "Tier 2: over 10 up to 100, flat part", "5.00"),
        ("volume_unit", "Tier 2: over 10 up to 100", "8.80"),
    ]
