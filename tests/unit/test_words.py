"""Values and prices as staff read them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.admin.words import (
    amount_text,
    cadence_words,
    counted,
    duration_words,
    joined,
    moment_text,
    money_text,
    quantity_text,
    rhythm_words,
)
from subscriptions.catalog.price_words import discount_words, price_words, tier_words


@pytest.mark.parametrize(
    ("text", "words"),
    [("P30D", "30 days"), ("P1M", "1 month"), ("PT0S", "none"), ("P1Y2M", "1 year 2 months"), ("PT36H", "36 hours"),
     ("soon", "soon"), (None, "")],
)  # fmt: skip
def test_durations(text, words):
    assert duration_words(text) == words


@pytest.mark.parametrize(
    ("text", "after_a_price", "after_billed"),
    [("P1M", "a month", "monthly"), ("P3M", "every 3 months", "every 3 months"), ("P1Y", "a year", "yearly"),
     (None, "once", "once")],
)  # fmt: skip
def test_cadences(text, after_a_price, after_billed):
    assert (cadence_words(text), rhythm_words(text)) == (after_a_price, after_billed)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("1234567.5", "EUR", "1,234,567.50"), ("12000", "JPY", "12,000"), ("0.0025", "USD", "0.0025"),
     ("1", "KWD", "1.000"), ("-50", "EUR", "-50.00"), ("1", "XXX", "1.00")],
)  # fmt: skip
def test_amounts_have_the_places_of_their_currency_and_more_where_needed(amount, currency, text):
    assert amount_text(Decimal(amount), currency) == text


def test_an_amount_in_a_sentence_names_its_currency():
    assert money_text("1250", "EUR") == "1,250.00 EUR"
    assert money_text("75600", "JPY") == "75,600 JPY"


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("200", "200"), ("1234.500", "1,234.5"), ("0", "0"), (None, ""), ("-0.50", "-0.5"), ("-1234.5", "-1,234.5")],
)
def test_quantities(quantity, text):
    assert quantity_text(quantity) == text


def test_times_are_told_on_the_wall_of_their_zone():
    moment = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    assert moment_text(moment) == "29 Mar 2026 22:30"
    assert moment_text(moment, "Europe/Berlin") == "30 Mar 2026 00:30"


def test_lists_and_counts():
    assert (joined(["a"]), joined(["a", "b", "c"])) == ("a", "a, b and c")
    assert (counted(1, "customer"), counted(1200, "customer")) == ("1 customer", "1,200 customers")


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({"type": "flat", "amount": "50", "paymentTerm": "in_advance"}, "50.00 EUR a month, in advance"),
        ({"type": "flat", "amount": "9", "paymentTerm": "in_arrears"}, "9.00 EUR a month, in arrears"),
        ({"type": "unit", "amount": "0.0025"}, "0.0025 EUR per unit, in arrears"),
        ({"type": "package", "amount": "1.00", "quantityPerPackage": "25"}, "1.00 EUR per 25 units, in arrears"),
        ({"type": "unit", "amount": "1", "maximumAmount": "60"}, "1.00 EUR per unit, in arrears, at most 60.00 EUR"),
        ({"type": "dynamic", "multiplier": "1.20"}, "the amounts in the events times 1.2, in arrears"),
        ({"type": "percentage", "percentage": "2.5", "fixedFeePerEvent": "0.3"},
         "2.5 % of the amounts in the events, plus 0.30 EUR per event, in arrears"),
        (None, "free"),
        ({"type": "unheard_of"}, "unheard_of, in arrears"),
    ],
)  # fmt: skip
def test_prices(price, words):
    assert price_words(price, "EUR", "P1M") == words


def test_a_one_time_fee():
    assert price_words({"type": "flat", "amount": "99"}, "EUR", None) == "99.00 EUR once"


def test_tiers():
    price = {
        "type": "tiered",
        "mode": "graduated",
        "tiers": [
            {"upToAmount": "5", "flatPrice": {"type": "flat", "amount": "100"}, "unitPrice": {"amount": "0"}},
            {"upToAmount": "10", "flatPrice": {"type": "flat", "amount": "50"}, "unitPrice": None},
            {"upToAmount": None, "flatPrice": None, "unitPrice": {"type": "unit", "amount": "1"}},
        ],
    }
    assert price_words(price, "EUR", "P1M") == "3 tiers, each unit at its tier's price, in arrears"
    assert tier_words(price, "EUR") == [
        ("up to 5", "100.00 EUR flat"),
        ("above 5 up to 10", "50.00 EUR flat"),
        ("above 10", "1.00 EUR per unit"),
    ]


def test_discounts():
    discounts = {"usage": {"quantity": "500"}, "percentage": {"percentage": "10"}}
    assert discount_words(discounts) == "the first 500 units free, 10 % off"
    assert discount_words(None) == ""
