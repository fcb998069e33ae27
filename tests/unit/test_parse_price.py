"""Prices and discounts on the wire: what is read, what is refused, and by which path."""

import json

import pytest

from core.errors import InvalidInput
from subscriptions.pricing import NO_DISCOUNTS, DynamicPrice, FlatPrice, PercentagePrice, parse_discounts, parse_price
from tests.support.rating import tiered

OPEN = {"unitPrice": {"type": "unit", "amount": "1"}}


@pytest.mark.parametrize(
    "wire",
    [
        {"type": "flat", "amount": "50.00", "paymentTerm": "in_arrears"},
        {"type": "unit", "amount": "0.000000000001", "minimumAmount": "5.00", "maximumAmount": "60"},
        {"type": "package", "amount": "1.00", "quantityPerPackage": "25"},
        {"type": "dynamic", "multiplier": "1.5", "maximumAmount": "60"},
        {"type": "percentage", "percentage": 2.9, "fixedFeePerEvent": "0.30"},
        {"type": "percentage", "percentage": 3},
        {"type": "dimensional", "minimumAmount": "100"},
        tiered("graduated", ("5", "100", "0"), ("10", "50", None), (None, None, "1"), minimumAmount="3"),
        tiered("volume", ("5", None, "1.10"), (None, "2", None)),
    ],
    ids=lambda wire: f"{wire['type']}-{wire.get('mode', '')}",
)
def test_a_price_is_written_as_it_was_read(wire):
    assert parse_price(wire).to_wire() == wire
    assert parse_price(json.loads(json.dumps(parse_price(wire).to_wire()))) == parse_price(wire)


def test_no_price_stays_none():
    assert parse_price(None) is None


def test_what_may_be_left_out_has_its_default():
    flat, dynamic = parse_price({"type": "flat", "amount": "1"}), parse_price({"type": "dynamic"})
    assert isinstance(flat, FlatPrice)
    assert flat.payment_term == "in_advance"
    assert isinstance(dynamic, DynamicPrice)
    assert str(dynamic.multiplier) == "1"
    assert parse_price({"type": "unit", "amount": "1", "minimumAmount": None}).minimum is None


@pytest.mark.parametrize(
    ("wire", "problems"),
    [
        ("0.03", [("price", "not_an_object")]),
        ([], [("price", "not_an_object")]),
        ({}, [("price.type", "not_a_choice")]),
        ({"type": "free"}, [("price.type", "not_a_choice")]),
        ({"type": ["unit"]}, [("price.type", "not_a_choice")]),
        ({"type": "unit"}, [("price.amount", "required")]),
        ({"type": "unit", "amount": "-0.01"}, [("price.amount", "negative")]),
        ({"type": "unit", "amount": 0.1}, [("price.amount", "not_a_decimal")]),
        ({"type": "unit", "amount": "NaN"}, [("price.amount", "not_a_decimal")]),
        ({"type": "unit", "amount": "1e3"}, [("price.amount", "not_a_decimal")]),
        ({"type": "unit", "amount": "0.0000000000001"}, [("price.amount", "too_many_places")]),
        ({"type": "unit", "amount": "1000000000000000000"}, [("price.amount", "too_large")]),
        ({"type": "unit", "amount": "1", "minAmount": "5"}, [("price.minAmount", "unknown_field")]),
        (
            {"type": "unit", "amount": "1", "minimumAmount": "5", "maximumAmount": "4"},
            [("price.minimumAmount", "above_maximum")],
        ),
        (
            {"type": "unit", "amount": "x", "minimumAmount": "-5"},
            [("price.amount", "not_a_decimal"), ("price.minimumAmount", "negative")],
        ),
        ({"type": "flat", "amount": "1", "paymentTerm": "later"}, [("price.paymentTerm", "not_a_choice")]),
        ({"type": "flat", "amount": "1", "minimumAmount": "5"}, [("price.minimumAmount", "unknown_field")]),
        ({"type": "package", "amount": "1"}, [("price.quantityPerPackage", "required")]),
        (
            {"type": "package", "amount": "1", "quantityPerPackage": "0"},
            [("price.quantityPerPackage", "not_positive")],
        ),
        ({"type": "dynamic", "multiplier": "-1"}, [("price.multiplier", "negative")]),
        ({"type": "percentage"}, [("price.percentage", "required")]),
        ({"type": "percentage", "percentage": float("nan")}, [("price.percentage", "not_a_decimal")]),
        ({"type": "percentage", "percentage": float("inf")}, [("price.percentage", "not_a_decimal")]),
        ({"type": "percentage", "percentage": -1}, [("price.percentage", "negative")]),
        ({"type": "percentage", "percentage": 0.0000001}, [("price.percentage", "too_many_places")]),
        ({"type": "tiered", "mode": "volume"}, [("price.tiers", "required")]),
        ({"type": "tiered", "mode": "volume", "tiers": []}, [("price.tiers", "required")]),
        ({"type": "tiered", "mode": "step", "tiers": [OPEN]}, [("price.mode", "not_a_choice")]),
        ({"type": "tiered", "mode": "volume", "tiers": [OPEN] * 101}, [("price.tiers", "too_many")]),
        (
            {"type": "tiered", "mode": "volume", "tiers": [{**OPEN, "upToAmount": "5"}]},
            [("price.tiers.0.upToAmount", "last_tier_closed")],
        ),
        (
            {"type": "tiered", "mode": "volume", "tiers": [OPEN, OPEN]},
            [("price.tiers.0.upToAmount", "required")],
        ),
        (
            {"type": "tiered", "mode": "volume", "tiers": [{**OPEN, "upToAmount": "0"}, OPEN]},
            [("price.tiers.0.upToAmount", "not_ascending")],
        ),
        (
            tiered("graduated", ("10", None, "1"), ("10", None, "1"), ("9", None, "1"), (None, None, "1")),
            [("price.tiers.1.upToAmount", "not_ascending"), ("price.tiers.2.upToAmount", "not_ascending")],
        ),
        ({"type": "tiered", "mode": "volume", "tiers": [{}]}, [("price.tiers.0", "required")]),
        ({"type": "tiered", "mode": "volume", "tiers": ["x"]}, [("price.tiers.0", "not_an_object")]),
        (
            {"type": "tiered", "mode": "volume", "tiers": [{"unitPrice": {"type": "flat", "amount": "-1"}}]},
            [("price.tiers.0.unitPrice.type", "not_a_choice"), ("price.tiers.0.unitPrice.amount", "negative")],
        ),
        (
            {"type": "tiered", "mode": "volume", "tiers": [{"flatPrice": "3"}]},
            [("price.tiers.0.flatPrice", "not_an_object")],
        ),
    ],
)
def test_each_bad_field_of_a_price_is_named_by_its_path(wire, problems):
    with pytest.raises(InvalidInput) as caught:
        parse_price(wire)
    assert [(problem.field, problem.code) for problem in caught.value.problems] == problems


def test_a_percentage_is_the_same_however_it_is_written():
    for given in ("2.90", 2.9, "2.9"):
        price = parse_price({"type": "percentage", "percentage": given})
        assert isinstance(price, PercentagePrice)
        assert str(price.percentage) == "2.9"


def test_paths_start_where_the_caller_says():
    with pytest.raises(InvalidInput) as caught:
        parse_price({"type": "unit"}, "phases.0.rateCards.1.price")
    assert caught.value.problems[0].field == "phases.0.rateCards.1.price.amount"


def test_discounts_are_written_as_they_were_read():
    wire = {"percentage": {"percentage": 12.5}, "usage": {"quantity": "110"}}
    assert parse_discounts(wire).to_wire() == wire
    assert parse_discounts(None) == parse_discounts({}) == NO_DISCOUNTS
    assert not NO_DISCOUNTS


@pytest.mark.parametrize(
    ("wire", "problems"),
    [
        ([], [("discounts", "not_an_object")]),
        ({"percentage": 50}, [("discounts.percentage", "not_an_object")]),
        ({"percentage": {}}, [("discounts.percentage.percentage", "required")]),
        ({"percentage": {"percentage": 100.5}}, [("discounts.percentage.percentage", "too_large")]),
        ({"percentage": {"percentage": -1}}, [("discounts.percentage.percentage", "negative")]),
        ({"usage": {"quantity": "-1"}}, [("discounts.usage.quantity", "negative")]),
        ({"usage": {"quantity": 1.5}}, [("discounts.usage.quantity", "not_a_decimal")]),
        (
            {"usage": {"units": "1"}},
            [("discounts.usage.quantity", "required"), ("discounts.usage.units", "unknown_field")],
        ),
        ({"free": "1"}, [("discounts.free", "unknown_field")]),
    ],
)
def test_each_bad_field_of_the_discounts_is_named_by_its_path(wire, problems):
    with pytest.raises(InvalidInput) as caught:
        parse_discounts(wire)
    assert [(problem.field, problem.code) for problem in caught.value.problems] == problems


def test_a_flat_price_has_no_free_units():
    with pytest.raises(InvalidInput) as caught:
        parse_discounts({"usage": {"quantity": "5"}}, price=parse_price({"type": "flat", "amount": "1"}))
    assert caught.value.problems[0].code == "not_for_flat"


def test_a_price_has_at_most_a_hundred_tiers():
    def price(count):
        closed = [(str(number), None, "1") for number in range(1, count)]
        return parse_price(tiered("graduated", *closed, (None, None, "1")))

    assert len(price(100).tiers) == 100
    with pytest.raises(InvalidInput) as caught:
        price(101)
    assert caught.value.problems[0].code == "too_many"


def test_no_free_units_are_no_discount():
    assert parse_discounts({"usage": {"quantity": "0"}}) == NO_DISCOUNTS


def test_only_prices_whose_parts_add_up_to_the_whole_can_be_billed_in_parts():
    unit, flat = {"type": "unit", "amount": "1"}, {"type": "flat", "amount": "1"}
    graduated, volume = (tiered(mode, (None, None, "1")) for mode in ("graduated", "volume"))
    assert [parse_price(price).is_splittable for price in (unit, graduated, volume, flat)] == [True, True, False, False]
