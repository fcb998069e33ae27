"""Opening a line on the invoice page: what it rests on, and the sum from quantity to total, to the cent."""

import re
from decimal import Decimal
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from entitlements.metering.ingest_events import ingest_events
from invoicing.admin.rating.line_explanation import share_words
from invoicing.models import CreditNote, Invoice, InvoiceLine
from invoicing.rating.explanation import time_share
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_report import record_report
from subscriptions.models import Coupon, SubscriptionItem
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import make_draft, run
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.desk import page_url
from tests.support.rating import tiered
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def text(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def explanations(desk, invoice):
    """Of each line on the page: what opens it, its facts, and its steps, each as the cells that are not empty."""
    found = []
    for html in re.findall(r'<details class="ch-explanation">(.*?)</details>', desk.read(page_url(invoice)), re.DOTALL):
        facts = {
            text(label): text(fact) for label, fact in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html, re.DOTALL)
        }
        rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)[1:]
        cells = [[text(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]
        summary = text(re.search(r"<summary>(.*?)</summary>", html, re.DOTALL)[1])
        found.append((summary, facts, [[cell for cell in row if cell] for row in cells]))
    return found


def numbered(number):
    return Invoice.objects.get(number=number)


def sell_calls(**subscription):
    """Two of ten calls of gpt-4 are free, the others cost 0.25 each."""
    meter = make_meter(key="calls", aggregation="COUNT", value_property=None, group_by={"model": "$.model"})
    card = usage_card(
        key="calls",
        name="Calls",
        feature=make_feature(key="gpt4", meter=meter, meter_filters={"model": ["gpt-4"]}),
        price={"type": "unit", "amount": "0.25"},
        discounts={"usage": {"quantity": "2"}},
    )
    subscribe(make_plan(key="ai", version=3, cards=(card,)), **subscription)
    event = {"source": "test", "type": "usage", "subject": "acme", "data": {"model": "gpt-4"}}
    with clock.frozen_at(at("2026-04-20")):
        ingest_events(events=[event | {"id": str(n), "time": "2026-04-10T00:00:00Z"} for n in range(10)])


CALLS = (
    "Why this amount? Calls",
    {
        "Service period": "1 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC",
        "Quantity from": "Meter calls: COUNT over 10 events of type usage, where $.model is gpt-4",
        "Price from": "Plan ai, version 3",
        "Price": "0.25 EUR per unit, in arrears",
        "Discounts": "the first 2 units free",
    },
    [
        ["Quantity of this period", "10"],
        ["Free of 2 free units", "-2"],
        ["Quantity charged", "8"],
        ["Units", "8", "0.25", "2.00"],
        ["Total", "2.00 EUR"],
    ],
)


def test_a_metered_line_shows_events_meter_plan_and_free_units(clerk):
    sell_calls()
    run("2026-05-01")
    assert explanations(clerk, numbered("INV-000001")) == [CALLS]


def test_a_gathering_line_is_explained_as_of_now(clerk):
    sell_calls()
    with clock.frozen_at(at("2026-04-25")):
        assert explanations(clerk, Invoice.objects.get(status="gathering")) == [CALLS]


def test_times_are_those_of_the_subscriptions_zone(clerk):
    subscribe(flat_plan("basic", "30.00"), "2026-03-31T22:00", customer=make_customer(time_zone="Europe/Berlin"))
    ((_, facts, _),) = explanations(clerk, numbered("INV-000001"))
    assert facts["Service period"] == "1 Apr 2026 00:00 CEST to 1 May 2026 00:00 CEST"


def test_a_tiered_line_lists_its_tiers_its_roundings_its_discount_and_its_tax(clerk):
    card = usage_card(
        feature=make_feature(),
        price=tiered("graduated", ("100", None, "0.0125"), ("1000", "5", "0.00333"), (None, None, "0.001")),
        discounts={"percentage": {"percentage": "10"}},
    )
    make_default_profile(tax_enabled=True)
    subscription = subscribe(make_plan(cards=(card,)), customer=vat_customer())
    with clock.frozen_at(at("2026-04-30T21:30")):
        record_report(item=subscription.items.get(), quantity=Decimal(250))
    run("2026-05-01")
    ((_, facts, steps),) = explanations(clerk, numbered("INV-000001"))
    assert facts["Quantity from"] == "A report of 30 Apr 2026 21:30 UTC"
    assert facts["Price"] == (
        "3 tiers, each unit at its tier's price, in arrears"
        "up to 100: 0.0125 EUR per unit"
        "above 100 up to 1,000: 5.00 EUR flat + 0.00333 EUR per unit"
        "above 1,000: 0.001 EUR per unit"
    )
    assert steps == [
        ["Tier 1: up to 100", "100", "0.0125", "1.25"],
        ["10 % discount", "-0.13"],
        ["Tier 2: over 100 up to 1000, flat part", "1", "5.00", "5.00"],
        ["10 % discount", "-0.50"],
        ["Tier 2: over 100 up to 1000", "150", "0.00333", "0.4995", "0.50"],
        ["10 % discount", "-0.05"],
        ["Net", "6.07"],
        ["VAT 19 %", "1.15"],
        ["Total", "7.22 EUR"],
    ]


def test_packages_a_short_period_its_minimum_and_a_coupon_can_be_checked_by_hand(clerk):
    """31 GB from 17 April on are 2 packages of 25; of a minimum of 100.00, 14 of 30 days are 46.67. A quarter off
    14.00, which is 14 of 30 days of 30.00, is 3.50."""
    excess = usage_card(
        name="Excess",
        feature=make_feature(),
        price={"type": "package", "amount": "0.95", "quantityPerPackage": "25", "minimumAmount": "100.00"},
    )
    plan = make_plan(cards=(flat_card(key="fee", name="Fee", price=fee("30.00", "in_arrears")), excess))
    subscription = subscribe(plan, "2026-04-17", billing_anchor=at("2026-04-01"))
    Coupon.objects.create(code="QUARTER", name="A quarter", percentage=Decimal(25), periods=None)
    with clock.frozen_at(at("2026-04-17")):
        redeem_coupon(subscription=subscription, running_number=1, code="QUARTER")
        record_report(item=subscription.items.get(key="storage"), quantity=Decimal(31))
    run("2026-05-01")
    (_, fee_facts, fee_steps), (_, facts, steps) = explanations(clerk, numbered("INV-000001"))
    assert fee_facts["Part of the full period"] == "1 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC"
    assert fee_facts["Coupon"] == "QUARTER: 25 % of the line"
    assert fee_steps == [
        ["Flat fee", "1", "30.00", "14 of 30 days", "14.00"],
        ["Coupon QUARTER, 25 %", "-3.50"],
        ["Total", "10.50 EUR"],
    ]
    assert facts["Minimum due"] == "100.00 × 14 of 30 days = 46.67 EUR"
    assert steps == [
        ["Quantity charged", "31"],
        ["Packages started 31 / 25, rounded up", "2"],
        ["Packages", "2", "0.95", "1.90"],
        ["Minimum spend", "1", "44.77", "44.77"],
        ["Total", "46.67 EUR"],
    ]


def test_seats_added_within_a_period_show_their_share_of_it(clerk):
    subscribe(make_plan(cards=(flat_card(name="Seats", price=fee("10.00", "in_arrears")),)))
    with clock.frozen_at(at("2026-04-11")):
        record_quantity(item=SubscriptionItem.objects.get(), quantity=Decimal(3), effective_at=at("2026-04-11"))
    run("2026-05-01")
    ((_, facts, steps),) = explanations(clerk, numbered("INV-000001"))
    assert facts["Quantity from"] == "The subscription item"
    assert steps == [
        ["Flat fee", "1", "10.00", "10.00"],
        [
            "Quantity increase 11 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC",
            "2",
            "10.00",
            "20 of 30 days",
            "≈ 13.333333",
            "13.33",
        ],
        ["Total", "23.33 EUR"],
    ]


def test_a_credit_shows_its_share_and_links_the_line_that_it_gives_back_from(clerk):
    subscription = subscribe(flat_plan("basic", "30.00"))
    change(subscription, flat_plan("pro", "90.00"))
    (_, _, charged), (opens, facts, credited) = explanations(clerk, numbered("INV-000002"))
    assert charged == [["Flat fee", "1", "90.00", "15 of 30 days", "45.00"], ["Total", "45.00 EUR"]]
    assert opens == "Why this amount? Unused part: Basic fee"
    assert facts["Service period"] == "16 Apr 2026 00:00 UTC to 1 May 2026 00:00 UTC"
    assert facts["Gives back from"] == "Basic fee on INV-000001"
    assert facts["A charge for the same time"] == "15.00 (Flat fee: 1 × 30.00 × 15/30 days = 15.00)"
    assert credited == [
        ["Unused part: Basic fee", "-1", "30.00", "15 of 30 days", "-15.00"],
        ["Total", "-15.00 EUR"],
    ]
    assert page_url(numbered("INV-000001")) in clerk.read(page_url(numbered("INV-000002")))


def test_a_line_of_a_credit_note_says_how_its_amount_came_about(clerk):
    change(subscribe(flat_plan("pro", "90.00")), flat_plan("basic", "30.00"))
    page = text(clerk.read(page_url(CreditNote.objects.get())))
    assert "Why this amount? Unused part: Pro fee" in page
    assert "1 × 90.00 × 15/30 days = 45.00" in page
    assert "Given back by a line of an invoice: 1 × -15.00 = -15.00" in page
    assert "Net: 30.00 EUR" in page


def test_a_line_without_an_explanation_shows_its_stored_parts_and_says_so(clerk):
    draft = make_draft()
    InvoiceLine.objects.filter(invoice=draft).update(explain=None)
    ((_, facts, steps),) = explanations(clerk, draft)
    assert facts == {"Service period": "17 Mar 2026 00:00 UTC to 17 Apr 2026 00:00 UTC"}
    assert steps == [["Flat fee", "1", "50.00", "50.00"], ["Total", "50.00 EUR"]]
    assert "No explanation was stored with it: these are its parts." in clerk.read(page_url(draft))


def test_explanations_cost_no_query_per_line(clerk):
    def queries(fees, customer):
        cards = tuple(flat_card(key=f"fee_{n}", name=f"Fee {n}") for n in range(fees))
        subscribe(make_plan(key=f"plan_{fees}", cards=cards), customer=customer)
        invoice = Invoice.objects.get(customer=customer, number__isnull=False)
        assert len(explanations(clerk, invoice)) == fees
        with CaptureQueriesContext(connection) as captured:
            clerk.read(page_url(invoice))
        return len(captured)

    assert queries(2, make_customer()) == queries(12, make_customer(key="big", name="Big"))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ((1296000, 2592000), "15 of 30 days"),
        ((1299600, 2588400), "361 of 719 hours"),
        ((90, 7200), "90 of 7,200 seconds"),
        ((1295999500000, 2592000000000), "1,295,999.5 of 2,592,000 seconds"),
        ((5400, 7200), "90 of 120 minutes"),
    ],
)
def test_a_share_is_told_in_the_largest_unit_that_divides_it(share, words):
    assert share_words(time_share(*share)) == words
