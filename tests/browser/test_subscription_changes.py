"""Selling and changing subscriptions in a real browser: chosen, seen with the money, confirmed; and plans written."""

import pytest
from playwright.sync_api import expect

from core.testclock.models import ClockSetting
from invoicing.models import Invoice
from subscriptions.models import Plan, Subscription
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile, vat_customer
from tests.support.desk import page_url
from tests.support.invoices import invoices, lines, notes
from tests.support.subscriptions import subscribe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_clerk_sees_what_an_upgrade_comes_to_and_makes_it(page, log_in):
    log_in("Finance clerk")
    subscription = subscribe(flat_plan("basic", "30.00"), customer=vat_customer())
    flat_plan("pro", "90.00")
    ClockSetting.objects.create(now=at("2026-04-16"))
    page.goto(page_url(subscription))
    page.get_by_role("link", name="Change plan").click()
    page.get_by_label("New plan").select_option(label="Pro (pro v1), billed monthly")
    page.get_by_text("now", exact=True).click()
    page.get_by_label("Reason").fill("Agreed by phone")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("Unused part: Basic fee")).to_be_visible()
    expect(page.get_by_text("Pro begins then.")).to_be_visible()
    page.get_by_role("button", name="Change plan").click()
    expect(page.get_by_text("Basic changes to Pro on 16 Apr 2026 00:00 UTC. 1 invoice made.")).to_be_visible()


def test_a_clerk_starts_a_subscription_and_edits_its_price_to_the_figure_on_the_invoice(page, log_in):
    """3 seats at 10.00 and VAT are 35.70. From the 16th 8.00 each: 12.00 for 15.00, 14.28 with VAT."""
    log_in("Finance clerk")
    make_default_profile()
    customer = vat_customer()
    cards = (flat_card(key="seats", name="Seats", price=fee("10.00")),)
    make_plan(cards=cards, key="team", name="Team")
    setting = ClockSetting.objects.create(now=at("2026-04-01"))
    page.goto(page_url(customer))
    page.get_by_role("link", name="Start a subscription").click()
    page.locator(".select2-selection").click()
    page.get_by_role("option", name="Team (team v1), billed monthly, EUR").click()
    page.get_by_label("Seats: how many").fill("3")
    page.get_by_label("Reason").fill("Signed today")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("row", name="Due now, tax and balance included")).to_contain_text("35.70")
    page.get_by_role("button", name="Answer anew").click()
    expect(page.get_by_label("Seats: how many")).to_have_value("3")
    page.get_by_role("button", name="See what changes").click()
    page.get_by_role("button", name="Start a subscription").click()
    expect(page.get_by_text("Acme has Team from 1 Apr 2026 00:00 UTC on.")).to_be_visible()
    run("2026-04-01")
    assert invoices() == [("INV-000001", "35.70", "0.00")]

    ClockSetting.objects.filter(pk=setting.pk).update(now=at("2026-04-16"))
    page.goto(page_url(Subscription.objects.get()))
    page.get_by_role("link", name="Change price").click()
    expect(page.get_by_label("Amount")).to_have_value("10.00")
    expect(page.get_by_label("Free units")).to_be_hidden()
    page.get_by_label("Amount").fill("8.00")
    page.get_by_label("Reason").fill("Agreed by phone")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("row", name="Charged now, net")).to_contain_text("12.00")
    expect(page.get_by_role("row", name="Seats #1 16 Apr 2026").first).to_contain_text("14.28")
    expect(page.get_by_role("row", name="Comes back, net")).to_contain_text("-15.00")
    expect(page.get_by_role("row", name="Next billing, tax included")).to_contain_text("28.56")
    page.get_by_role("button", name="Change price").click()
    expect(page.get_by_text("The price is changed for this customer. 1 invoice made.")).to_be_visible()
    made = Invoice.objects.get(number="INV-000002")
    page.goto(page_url(made))
    expect(page.get_by_role("row", name="Seats").first).to_contain_text("14.28")
    assert lines(made.pk) == [("Seats", "12.00"), ("Unused part: Seats", "-12.00")]
    assert notes() == [("CN-000001", "3.00", "3.57", "0.00", "3.57")]
    run("2026-05-01")
    assert invoices()[-1] == ("INV-000003", "28.56", "0.00")


def test_a_billing_admin_writes_a_plan_of_tiers_without_a_manual(page, log_in):
    log_in("Billing admin")
    make_feature(key="calls", name="Calls")
    page.goto("/admin/subscriptions/plan/add/")
    page.get_by_label("Name", exact=True).fill("Team")
    page.get_by_label("Key").fill("team")
    page.get_by_role("button", name="Draft plan").click()
    page.get_by_role("link", name="Add rate card").last.click()
    page.get_by_label("Name", exact=True).fill("Calls")
    page.get_by_label("Key").fill("calls")
    page.locator(".select2-selection").click()
    page.get_by_role("option", name="Calls (calls), reported quantities").click()
    page.get_by_label("Price model").select_option("graduated")
    expect(page.get_by_label("Amount")).to_be_hidden()
    page.get_by_label("Up to and including, 1").fill("5")
    page.get_by_label("Flat, once, 1").fill("100")
    page.get_by_label("Up to and including, 2").fill("15")
    page.get_by_label("For each unit, 2").fill("5")
    page.get_by_role("button", name="Add tier").click()
    page.locator("[name=tiers_2_unit]").fill("1")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("above 5 up to 15: 5.00 EUR per unit; above 15: 1.00 EUR per unit")).to_be_visible()
    page.get_by_role("button", name="Add rate card").click()
    expect(page.get_by_text("The rate card Calls is added.")).to_be_visible()
    page.get_by_role("link", name="Change", exact=True).last.click()
    expect(page.locator("[name=tiers_1_unit]")).to_have_value("5")
    page.goto(page_url(Plan.objects.get()))
    page.get_by_role("link", name="Publish").click()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Team v1 is on sale.")).to_be_visible()
