"""Tax per rate on the invoice's net, rounded once, split over the lines (billing rules 12)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from invoicing.tax import RateFacts, TaxTerms, rate_for, tax_lines, tax_on

VAT = TaxTerms(Decimal(19))
INCLUSIVE = TaxTerms(Decimal(19), inclusive=True)


def taxes(*lines, currency="EUR"):
    found = tax_lines([(Decimal(amount), terms) for amount, terms in lines], currency)
    return [str(tax.total) for tax in found]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("3.33", VAT), ("3.33", VAT), ("3.33", VAT)], ["0.64", "0.63", "0.63"]),
        ([("200.00", VAT)], ["38.00"]),
        ([("30.00", VAT)], ["5.70"]),
        ([("100.00", VAT), ("100.00", None)], ["19.00", "0.00"]),
        ([("100.00", VAT), ("100.00", TaxTerms(Decimal(7)))], ["19.00", "7.00"]),
        ([("15.00", VAT), ("-15.00", VAT)], ["2.85", "-2.85"]),
        ([("45.00", VAT), ("-15.00", VAT)], ["8.55", "-2.85"]),
        ([("0.00", VAT)], ["0.00"]),
        ([("0.02", VAT), ("0.02", VAT), ("0.02", VAT)], ["0.01", "0.00", "0.00"]),
        ([("119.00", INCLUSIVE)], ["19.00"]),
        ([("10.00", INCLUSIVE)], ["1.60"]),
        ([("10.00", TaxTerms(Decimal("7.7")))], ["0.77"]),
        ([], []),
    ],
)
def test_tax_of_lines(lines, expected):
    assert taxes(*lines) == expected


def test_yen_have_no_minor_unit():
    assert taxes(("333", TaxTerms(Decimal(10))), ("333", TaxTerms(Decimal(10))), currency="JPY") == ["34", "33"]


def test_tax_on_top_and_tax_inside():
    assert str(tax_on(Decimal("200.00"), VAT, "EUR")) == "38.00"
    assert str(tax_on(Decimal("238.00"), INCLUSIVE, "EUR")) == "38.00"


def test_names_do_not_part_one_rate():
    lines = [(Decimal("3.33"), VAT._replace(name="VAT")), (Decimal("3.33"), VAT), (Decimal("3.33"), VAT)]
    assert [str(tax.exclusive) for tax in tax_lines(lines, "EUR")] == ["0.64", "0.63", "0.63"]


def rate(percent, valid_from="2020-01-01", valid_to=None, country="DE", region="", category=""):
    return RateFacts(
        country,
        region,
        category,
        Decimal(percent),
        "VAT",
        datetime.fromisoformat(valid_from).replace(tzinfo=UTC),
        datetime.fromisoformat(valid_to).replace(tzinfo=UTC) if valid_to else None,
    )


RATES = [
    rate("19", valid_to="2020-07-01"),
    rate("16", valid_from="2020-07-01", valid_to="2021-01-01"),
    rate("19", valid_from="2021-01-01"),
    rate("7", category="books"),
    rate("20", country="AT"),
    rate("13", country="AT", region="Jungholz"),
]


@pytest.mark.parametrize(
    ("country", "region", "category", "point", "expected"),
    [
        ("DE", "", "", "2020-06-30", 19),
        ("DE", "", "", "2020-07-01", 16),
        ("DE", "", "", "2021-01-01", 19),
        ("DE", "Bayern", "", "2026-01-01", 19),
        ("DE", "", "books", "2026-01-01", 7),
        ("DE", "", "software", "2026-01-01", 19),
        ("AT", "Jungholz", "", "2026-01-01", 13),
        ("AT", "Wien", "", "2026-01-01", 20),
        ("FR", "", "", "2026-01-01", None),
        ("DE", "", "", "2019-12-31", None),
    ],
)
def test_the_rate_of_a_place_at_a_tax_point(country, region, category, point, expected):
    tax_point = datetime.fromisoformat(point).replace(tzinfo=UTC)
    found = rate_for(RATES, country=country, region=region, category=category, tax_point=tax_point)
    assert (found and found.rate) == expected
