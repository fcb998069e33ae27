"""Every line explains itself: whose quantity, whose price, every step; stored with what is billed, live before that."""

from decimal import Decimal

import pytest

from core import clock
from core.ids import to_text
from entitlements.metering.ingest_events import ingest_events
from invoicing.closing.close_customers import close_customers
from invoicing.models import InvoiceLine
from invoicing.rating import read_explanation, readable, recompute, replay
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.record_edit import record_edit
from subscriptions.lifecycle.record_report import record_report
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.api import Api, data, refused
from tests.support.catalog import FLAT_50, flat_card, make_excess_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import close
from tests.support.customers import make_customer, make_default_profile
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(db):
    make_default_profile()
    return make_customer()


def metered(customer):
    """Calls of the model gpt-4: ten in the month, two of them free, 0.25 each."""
    meter = make_meter(key="calls", aggregation="COUNT", value_property=None, group_by={"model": "$.model"})
    card = usage_card(
        key="calls",
        name="Calls",
        feature=make_feature(key="gpt4", meter=meter, meter_filters={"model": ["gpt-4"]}),
        price={"type": "unit", "amount": "0.25"},
        discounts={"usage": {"quantity": "2"}},
    )
    subscription = subscribe(make_plan(key="ai", version=3, cards=(card,)), "2026-03-17", customer=customer)
    with clock.frozen_at(at("2026-04-01")):
        ingest_events(
            events=[
                {
                    "id": str(number),
                    "source": "test",
                    "type": "usage",
                    "subject": "acme",
                    "time": "2026-03-20T00:00:00Z",
                    "data": {"model": "gpt-4" if number < 10 else "gpt-3.5"},
                }
                for number in range(12)
            ]
        )
    return subscription


METERED = {
    "version": 1,
    "basis": {
        "price": {"source": "plan", "plan": "ai", "version": 3},
        "quantity": {
            "source": "meter",
            "meter": "calls",
            "aggregation": "COUNT",
            "eventType": "usage",
            "events": 10,
            "filters": {"$.model": ["gpt-4"]},
        },
        "window": {"from": "2026-03-17T00:00:00+00:00", "to": "2026-04-17T00:00:00+00:00"},
    },
    "currency": "EUR",
    "price": {"type": "unit", "amount": "0.25"},
    "discounts": {"usage": {"quantity": "2"}},
    "quantity": {"window": "10", "free": "2", "priced": "8"},
    "parts": [
        {"kind": "unit", "name": "Units", "quantity": "8", "unitAmount": "0.25", "amount": "2.00", "total": "2.00"}
    ],
    "totals": {"amount": "2.00", "chargesTotal": "0.00", "discountsTotal": "0.00", "net": "2.00"},
}


def test_a_metered_line_names_its_meter_and_plan_and_can_be_computed_again(customer):
    metered(customer)
    close(customer, "2026-04-17")
    explanation = InvoiceLine.objects.get(invoice__number="INV-000001").explain
    assert explanation == METERED
    assert str(recompute(read_explanation(explanation))) == str(replay(read_explanation(explanation)).net) == "2.00"


def explained(api, invoice_id, line_id):
    return data(api.get(f"/billing/invoices/{to_text(invoice_id)}/lines/{to_text(line_id)}/explain"))


def test_the_line_and_its_endpoint_show_the_explanation_and_say_it_in_sentences(api, customer):
    metered(customer)
    close(customer, "2026-04-17")
    line = InvoiceLine.objects.get(invoice__number="INV-000001")
    invoice = data(api.get(f"/billing/invoices/{to_text(line.invoice_id)}"))
    assert invoice["lines"][0]["explain"] == METERED
    assert explained(api, line.invoice_id, line.id) == {
        "lineId": to_text(line.id),
        "explain": METERED,
        "readable": [
            "Service period: 2026-03-17 00:00 UTC to 2026-04-17 00:00 UTC",
            "Metered by calls: COUNT over 10 events of type usage, where $.model in gpt-4",
            "Priced by plan ai, version 3",
            "Quantity: 10 − 2 of 2 free = 8",
            "Units: 8 × 0.25 = 2.00",
            "Net: 2.00 EUR",
        ],
    }


def test_a_gathering_line_is_explained_as_it_would_be_billed_now(api, customer):
    metered(customer)
    line = InvoiceLine.objects.get()
    with clock.frozen_at(at("2026-04-01")):
        assert explained(api, line.invoice_id, line.id)["explain"] == METERED


def test_a_reported_line_says_when_it_was_reported_and_a_flat_one_is_the_items(api, customer):
    subscription = subscribe(make_excess_plan(), "2026-03-17", customer=customer)
    with clock.frozen_at(at("2026-04-16T09:30")):
        record_report(item=subscription.items.get(running_number=2), quantity=Decimal(200))
    close(customer, "2026-04-17")
    fee, excess = InvoiceLine.objects.filter(invoice__number="INV-000002").order_by("position")
    assert excess.explain["basis"]["quantity"] == {"source": "report", "reportedAt": "2026-04-16T09:30:00+00:00"}
    assert explained(api, excess.invoice_id, excess.id)["readable"] == [
        "Service period: 2026-03-17 00:00 UTC to 2026-04-17 00:00 UTC",
        "Reported on 2026-04-16 09:30 UTC",
        "Priced by plan storage, version 1",
        "Quantity: 200",
        "Packages of 25 units: 200 / 25, rounded up = 8",
        "Packages: 8 × 1.00 = 8.00",
        "Net: 8.00 EUR",
    ]
    assert fee.explain["basis"] == {
        "price": {"source": "plan", "plan": "storage", "version": 1},
        "quantity": {"source": "item"},
        "window": {"from": "2026-04-17T00:00:00+00:00", "to": "2026-05-17T00:00:00+00:00"},
    }


def test_what_is_billed_for_a_part_of_a_period_names_the_full_one(api, customer):
    """From 17 March in a calendar month: 15 of 31 days of 50.00 are 24.19, and of a minimum of 100.00, 48.39."""
    minimum = usage_card(feature=make_feature(), price={"type": "unit", "amount": "1", "minimumAmount": "100.00"})
    plan = make_plan(cards=(flat_card(), minimum))
    with clock.frozen_at(at("2026-03-17")):
        subscription = record_subscription(
            customer=customer, plan=plan, active_from=at("2026-03-17"), billing_anchor=at("2026-03-01")
        )
    with clock.frozen_at(at("2026-03-20")):
        record_report(item=subscription.items.get(running_number=2), quantity=Decimal(10))
    close(customer, "2026-03-17")
    close(customer, "2026-04-01")
    fee, usage = InvoiceLine.objects.filter(period_start=at("2026-03-17")).order_by("position")
    said = [
        "Service period: 2026-03-17 00:00 UTC to 2026-04-01 00:00 UTC",
        "Part of the full period: 2026-03-01 00:00 UTC to 2026-04-01 00:00 UTC",
    ]
    assert explained(api, fee.invoice_id, fee.id)["readable"] == [
        *said,
        "Priced by plan storage, version 1",
        "Flat fee: 1 × 50.00 × 15/31 days = 24.19",
        "Net: 24.19 EUR",
    ]
    assert explained(api, usage.invoice_id, usage.id)["readable"] == [
        *said,
        "Reported on 2026-03-20 00:00 UTC",
        "Priced by plan storage, version 1",
        "Quantity: 10",
        "Units: 10 × 1 = 10.00",
        "Minimum spend: 1 × 38.39 = 38.39",
        "Minimum spend of the period: 100.00 × 15/31 days = 48.39",
        "Net: 10.00 + 38.39 commitments = 48.39 EUR",
    ]


def test_terms_of_the_customers_own_are_named_so(customer):
    card = RateCardTerms(type="flat_fee", key="base", name="Base", billing_cadence="P1M", price=FLAT_50)
    terms = PlanTerms(
        name="Special",
        currency="EUR",
        billing_cadence="P1M",
        phases=(PhaseTerms(key="main", name="Main", rate_cards=(card,)),),
    )
    with clock.frozen_at(at("2026-03-17")):
        record_subscription(customer=customer, custom_plan=terms, active_from=at("2026-03-17"))
        close_customers([customer.id], as_of=at("2026-03-17"))
    line = InvoiceLine.objects.get(invoice__number="INV-000001")
    assert line.explain["basis"]["price"] == {"source": "custom"}
    assert "Priced by terms of the customer's own" in readable(read_explanation(line.explain))


def test_a_simulated_line_is_explained_without_a_basis(api, customer):
    body = {
        "currency": "EUR",
        "lines": [
            {
                "name": "Excess",
                "quantity": "201",
                "invoiceAt": "2026-04-17T00:00:00Z",
                "period": {"from": "2026-03-17T00:00:00Z", "to": "2026-04-17T00:00:00Z"},
                "rateCard": {"price": {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}},
            }
        ],
    }
    answer = data(api.post(f"/billing/customers/{to_text(customer.id)}/invoices/simulate", body))
    (line,) = answer["lines"]
    assert readable(read_explanation(line["explain"])) == [
        "Quantity: 201",
        "Packages of 25 units: 201 / 25, rounded up = 9",
        "Packages: 9 × 1.00 = 9.00",
        "Net: 9.00 EUR",
    ]


def test_a_price_without_figures_of_its_own_is_not_simulated(api, customer):
    body = {
        "currency": "EUR",
        "lines": [
            {
                "name": "Calls",
                "quantity": "5",
                "invoiceAt": "2026-04-17T00:00:00Z",
                "period": {"from": "2026-03-17T00:00:00Z", "to": "2026-04-17T00:00:00Z"},
                "rateCard": {"price": {"type": "dimensional"}},
            }
        ],
    }
    problem = refused(api.post(f"/billing/customers/{to_text(customer.id)}/invoices/simulate", body), 400)
    assert "lines.0.rateCard.price.type" in str(problem)


def test_a_credit_says_which_share_came_back():
    unused = {"kind": "unused", "name": "Unused part: Seats", "quantity": "-1", "unitAmount": "30.00"}
    time = {"from": "2026-04-16T00:00:00+00:00", "to": "2026-05-01T00:00:00+00:00"}
    part = unused | time | {"fraction": [1296000, 2592000], "amount": "-15.00", "total": "-15.00"}
    explanation = {"version": 1, "kind": "credit", "currency": "EUR", "parts": [part], "totals": {"net": "-15.00"}}
    assert readable(read_explanation(explanation)) == [
        "Unused part: Seats (2026-04-16 00:00 UTC to 2026-05-01 00:00 UTC): -1 × 30.00 × 15/30 days = -15.00",
        "Net: -15.00 EUR",
    ]


def test_a_line_that_is_not_there_is_404(api, customer):
    subscribe(make_plan(cards=(flat_card(),)), "2026-03-17", customer=customer)
    line = InvoiceLine.objects.get(invoice__number="INV-000001")
    path = f"/billing/invoices/{to_text(line.invoice_id)}/lines"
    refused(api.get(f"{path}/01ARZ3NDEKTSV4RRFFQ69G5FAV/explain"), 404)
    refused(api.get(f"{path}/x/explain"), 404)
    refused(api.get(f"/billing/invoices/{to_text(line.id)}/lines/{to_text(line.id)}/explain"), 404)
    refused(Api("usage:write").get(f"{path}/{to_text(line.id)}/explain"), 403)


def test_an_item_that_an_edit_brought_in_is_priced_by_the_customers_own_terms(customer):
    subscription = subscribe(make_plan(cards=(flat_card(),)), "2026-03-17", customer=customer)
    extra = RateCardTerms(type="flat_fee", key="extra", name="Extra", billing_cadence="P1M", price=FLAT_50)
    with clock.frozen_at(at("2026-03-20")):
        record_edit(subscription=subscription, at=at("2026-03-20"), edits=[AddItem(phase_key="phase_1", card=extra)])
        close_customers([customer.id], as_of=at("2026-03-20"))
    line = InvoiceLine.objects.get(invoice__number="INV-000002")
    assert (line.name, line.explain["basis"]["price"]) == ("Extra", {"source": "custom"})
    assert InvoiceLine.objects.get(invoice__number="INV-000001").explain["basis"]["price"]["plan"] == "storage"
