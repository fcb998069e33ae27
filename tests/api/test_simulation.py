"""Simulated invoices over REST: every price model, discounts and commitments over parts of a period, tax, bad input."""

from decimal import Decimal

import pytest

from invoicing.models import Invoice, TaxRate
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.rating import tiered

pytestmark = pytest.mark.django_db

LINE = {
    "name": "Line",
    "period": {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
    "invoiceAt": "2026-05-01T00:00:00Z",
    "quantity": "1",
}
TIERS = (("5", "100", "0"), ("10", "50", None), ("15", None, "5"), (None, None, "1"))
TEN = {"type": "unit", "amount": "10"}
PACKAGE = {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}
SHARE = {"type": "percentage", "percentage": 2.9, "fixedFeePerEvent": "0.30"}


@pytest.fixture
def api():
    make_default_profile()
    make_customer(country="DE")
    return Api()


def simulate(api, *lines, currency="EUR"):
    body = {"currency": currency, "lines": [LINE | line for line in lines]}
    return api.post("/billing/customers/acme/invoices/simulate", body)


def line_of(price, quantity, *, discounts=None, **line):
    card = {"price": price} if discounts is None else {"price": price, "discounts": discounts}
    return {"rateCard": card, "quantity": quantity, **line}


def totals(answer):
    return [line["totals"]["total"] for line in data(answer)["lines"]]


@pytest.mark.parametrize(
    ("price", "quantity", "rest", "currency", "total"),
    [
        ({"type": "flat", "amount": "9.99"}, "1", {}, "EUR", "9.99"),
        ({"type": "flat", "amount": "9.99"}, "3", {}, "EUR", "29.97"),
        ({"type": "unit", "amount": "0.0125"}, "3", {}, "EUR", "0.04"),
        ({"type": "unit", "amount": "0.0125"}, "3", {}, "KWD", "0.038"),
        ({"type": "unit", "amount": "0.5"}, "3", {}, "JPY", "2"),
        (PACKAGE, "200", {}, "EUR", "8.00"),
        (PACKAGE, "2", {"preLinePeriodQuantity": "24"}, "EUR", "1.00"),
        (tiered("graduated", *TIERS), "22", {}, "EUR", "182.00"),
        (tiered("graduated", *TIERS), "0", {}, "EUR", "100.00"),
        (tiered("graduated", *TIERS), "18", {"preLinePeriodQuantity": "4"}, "EUR", "82.00"),
        (tiered("volume", ("10", None, "1.00"), (None, "5.00", "0.80")), "11", {}, "EUR", "13.80"),
        ({"type": "dynamic", "multiplier": "1.2"}, "99.99", {}, "EUR", "119.99"),
        ({"type": "dynamic"}, "99.99", {}, "EUR", "99.99"),
        ({"type": "percentage", "percentage": 2.9}, "100", {}, "EUR", "2.90"),
        (SHARE, "100", {"eventCount": 3}, "EUR", "3.80"),
        (SHARE, "100", {}, "EUR", "2.90"),
    ],
)
def test_each_price_model_is_simulated(api, price, quantity, rest, currency, total):
    answer = simulate(api, line_of(price, quantity, **rest), currency=currency)
    assert totals(answer) == [total]
    assert data(answer)["totals"]["total"] == total
    assert not Invoice.objects.exists()


@pytest.mark.parametrize(
    ("price", "before", "quantity", "total"),
    [
        # 40.00 of 60.00 were billed for the first 4 units; of 100.00 more, 20.00 are left.
        (TEN | {"maximumAmount": "60"}, "4", "10", "20.00"),
        (TEN | {"maximumAmount": "60"}, "6", "1", "0.00"),
        # 40.00 and 10.00 of 120.00: 70.00 are missing.
        (TEN | {"minimumAmount": "120"}, "4", "1", "80.00"),
        (TEN | {"minimumAmount": "120"}, "12", "1", "10.00"),
        (TEN | {"minimumAmount": "120"}, "0", "1", "120.00"),
    ],
)
def test_minimum_and_maximum_count_what_the_period_had_before(api, price, before, quantity, total):
    assert totals(simulate(api, line_of(price, quantity, preLinePeriodQuantity=before))) == [total]


def test_discounts_come_in_their_order_also_after_a_first_part(api):
    """Of 3 free units the first 2 are used up: 4 of 5 at 10.00, half off is 20.00, of 15.00 at most."""
    discounts = {"usage": {"quantity": "3"}, "percentage": {"percentage": 50}}
    price = TEN | {"maximumAmount": "15"}
    answer = data(simulate(api, line_of(price, "5", discounts=discounts, preLinePeriodQuantity="2")))
    (line,) = answer["lines"]
    assert line["totals"]["total"] == "15.00"
    assert line["discounts"]["usage"][0]["quantity"] == "1"
    assert [(each["reason"]["type"], each["amount"]) for each in line["discounts"]["amount"]] == [
        ("ratecard_percentage", "20.00"),
        ("maximum_spend", "5.00"),
    ]
    (part,) = line["children"]
    assert (part["quantity"], part["perUnitAmount"], part["totals"]["amount"], part["totals"]["total"]) == (
        "4",
        "10",
        "40.00",
        "15.00",
    )


def test_what_is_simulated_is_taxed_as_in_a_close(api):
    """3 x 3.33 at 19 % are 1.90 of tax: 0.64, 0.63 and 0.63."""
    TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=at("2020-01-01"))
    make_default_profile(tax_enabled=True)
    third = line_of({"type": "flat", "amount": "3.33"}, "1")
    shown = data(simulate(api, third, third, third))
    assert [line["totals"]["taxesTotal"] for line in shown["lines"]] == ["0.64", "0.63", "0.63"]
    assert (shown["totals"]["amount"], shown["totals"]["taxesTotal"], shown["totals"]["total"]) == (
        "9.99",
        "1.90",
        "11.89",
    )
    inclusive = third | {"taxConfig": {"behavior": "inclusive"}}
    contained = data(simulate(api, inclusive))["totals"]
    assert (contained["taxesInclusiveTotal"], contained["total"]) == ("0.53", "3.33")


def test_the_rate_is_that_of_the_tax_point(api):
    """16 % until the end of April: what is billed in advance in April has 16 %, what ends on 1 May has 19 %."""
    TaxRate.objects.create(
        country="DE", rate=Decimal(16), name="VAT", valid_from=at("2020-01-01"), valid_to=at("2026-05-01")
    )
    TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=at("2026-05-01"))
    make_default_profile(tax_enabled=True)
    hundred = line_of({"type": "flat", "amount": "100.00"}, "1")
    assert totals(simulate(api, hundred | {"invoiceAt": "2026-04-01T00:00:00Z"}, hundred)) == ["116.00", "119.00"]


def test_where_tax_is_enforced_and_no_rate_is_known_it_says_so(api):
    make_default_profile(tax_enabled=True, tax_enforced=True)
    problem = refused(simulate(api, line_of(TEN, "1")), 412)
    assert "no tax rate is known for DE" in problem["detail"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"quantity": "-1"}, "lines.0.quantity"),
        ({"quantity": "1e3"}, "lines.0.quantity"),
        ({"quantity": "NaN"}, "lines.0.quantity"),
        ({"quantity": None}, "lines.0.quantity"),
        ({"preLinePeriodQuantity": "-1"}, "lines.0.preLinePeriodQuantity"),
        ({"eventCount": -1}, "lines.0.eventCount"),
        ({"eventCount": "many"}, "lines.0.eventCount"),
        ({"name": ""}, "lines.0.name"),
        ({"invoiceAt": "tomorrow"}, "lines.0.invoiceAt"),
        ({"period": {"from": "2026-04-01T00:00:00Z"}}, "lines.0.period.to"),
        ({"taxConfig": {"behavior": "sometimes"}}, "lines.0.taxConfig.behavior"),
        ({"taxConfig": {"stripe": "txcd_1"}}, "lines.0.taxConfig.stripe"),
    ],
)
def test_what_is_wrong_with_a_line_is_named_and_nothing_is_shown(api, line, field):
    assert set(fields_at_fault(simulate(api, line_of(TEN, "1") | line))) == {field}


@pytest.mark.parametrize(
    ("price", "discounts", "field"),
    [
        ("10", None, "price"),
        (TEN | {"amount": 1.5}, None, "price.amount"),
        (TEN | {"minimumAmount": "9", "maximumAmount": "8"}, None, "price.minimumAmount"),
        (TEN, {"percentage": {"percentage": 101}}, "discounts.percentage.percentage"),
        ({"type": "flat", "amount": "1"}, {"usage": {"quantity": "1"}}, "discounts.usage"),
    ],
)
def test_what_is_wrong_with_a_rate_card_is_named(api, price, discounts, field):
    assert set(fields_at_fault(simulate(api, line_of(price, "1", discounts=discounts)))) == {
        f"lines.0.rateCard.{field}"
    }


def test_a_customer_that_is_not_there_and_an_unknown_currency_are_refused(api):
    refused(api.post("/billing/customers/nobody/invoices/simulate", {"currency": "EUR", "lines": []}), 404)
    assert set(fields_at_fault(simulate(api, line_of(TEN, "1"), currency="XXX"))) == {"currency"}


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([({"type": "unit", "amount": "1" + "0" * 17}, "1" + "0" * 14)], "lines.0"),
        ([({"type": "flat", "amount": "600000000"}, "1")] * 2, "lines"),
        ([({"type": "unit", "amount": "1"}, "1" + "0" * 27)], "lines.0.quantity"),
        ([({"type": "unit", "amount": "1" + "0" * 30}, "1")], "lines.0.rateCard.price.amount"),
    ],
)
def test_an_absurd_simulation_is_a_clear_error(api, lines, field):
    answer = simulate(api, *(line_of(price, quantity) for price, quantity in lines))
    assert field in fields_at_fault(answer)
