"""Pinning a customer and a whole profile migration, clicked through, with a Celery worker that does the moving."""

import re

import pytest
from playwright.sync_api import Page, expect

from customers.models import CustomerOverride
from tests.browser.workers import running_worker
from tests.support.catalog import make_plan
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import page_url
from tests.support.moves import billed_by, make_customers

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = 60_000  # milliseconds: a worker has to start, and the machine may be busy


def step(page: Page, title: str):
    """The row of the guide with this title."""
    return page.locator(".ch-step-row").filter(has=page.get_by_role("heading", name=re.compile(f"^{title}")))


def confirm(page: Page, label: str, reason: str = "") -> None:
    """Answer a verb's question and do it."""
    if reason:
        page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=label).click()


def test_a_clerk_pins_a_customer_after_seeing_what_changes(page, log_in):
    log_in("Finance clerk")
    make_default_profile()
    enterprise()
    page.goto(page_url(make_customer()))
    page.get_by_role("link", name="Pin to profile").click()
    page.get_by_label("Pin to").select_option(label="Enterprise")
    confirm(page, "See what changes", "Signed PO 4711")
    expect(page.get_by_role("row", name="Due after 30 days 45 days pin: Enterprise")).to_be_visible()
    expect(page.get_by_text("Reason: Signed PO 4711")).to_be_visible()
    assert CustomerOverride.objects.count() == 0
    confirm(page, "Pin to profile")
    expect(page.get_by_text("Acme is pinned to “Enterprise”. Open drafts keep their terms.")).to_be_visible()
    page.get_by_role("link", name="All layers, and change them").click()
    expect(page.get_by_role("row", name="Due after 45 days pin: Enterprise")).to_be_visible()


def test_several_customers_are_pinned_from_the_list(page, log_in):
    log_in("Finance clerk")
    make_default_profile()
    enterprise()
    for number in range(3):
        make_customer(key=f"c{number}", name=f"Customer {number}")
    page.goto("/admin/customers/customer/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(label="Pin to profile")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Pin to profile: 3 of 3 customers?")).to_be_visible()
    page.get_by_label("Pin to").select_option(label="Enterprise")
    confirm(page, "See what changes", "Contracts")
    expect(page.get_by_text("3 of 3 customers will be billed by “Enterprise”")).to_be_visible()
    confirm(page, "Pin to profile")
    expect(page.get_by_text("Pin to profile: 3 of 3 done")).to_be_visible()
    assert CustomerOverride.objects.filter(billing_profile__name="Enterprise").count() == 3


def test_a_migration_is_led_from_the_draft_to_the_end(page, log_in):
    make_default_profile()
    customers = make_customers(6, make_plan())
    enterprise()
    log_in("Finance clerk")
    page.goto("/admin/invoicing/profilemigration/")
    page.get_by_role("link", name="Add profile migration").first.click()
    page.get_by_label("From").select_option(label="Default")
    page.get_by_label("To", exact=True).select_option(label="Enterprise")
    confirm(page, "Count first", "New contracts")
    expect(page.get_by_text("Draft the move of 6 customers from “Default” to “Enterprise”?")).to_be_visible()
    confirm(page, "Draft and check")
    expect(page.get_by_text("6 customers checked: 6 can move, 0 blocked.")).to_be_visible()
    expect(page.get_by_text("Nothing stands in the way of anybody.")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("EUR 6 "))).to_be_visible()  # the next invoices, worked out
    migration = page.url
    step(page, "Pin who has no pin").get_by_role("link", name="Pin them").click()
    confirm(page, "Pin them", "Before the default changes")
    expect(step(page, "Pin who has no pin")).to_contain_text("Everybody is pinned to a profile")

    log_in("Billing admin")
    page.goto(migration)
    step(page, "Make the target the default").get_by_role("link", name="Make it the default").click()
    confirm(page, "See what changes", "Contracts for all")
    expect(page.get_by_role("row", name="Due after 30 days 45 days")).to_be_visible()
    confirm(page, "Make it the default")
    expect(step(page, "Make the target the default")).to_contain_text("“Enterprise” is the default")

    log_in("Finance approver")
    page.goto(migration)
    step(page, "Approve").get_by_role("link", name="Approve").click()
    confirm(page, "Approve", "Agreed with sales")
    expect(step(page, "Approve")).to_contain_text("By Approver. The list of customers is frozen.")

    with running_worker():
        step(page, "Move").last.get_by_role("link", name="Move customers").click()
        page.get_by_label("How many customers first").fill("2")
        confirm(page, "Move customers")
        expect(step(page, "Move").last).to_contain_text("2 moved, 4 left.", timeout=LONG)
        expect(page.locator(".ch-head h2")).to_contain_text("Paused")
        assert billed_by(customers) == {"Default": 4, "Enterprise": 2}
        step(page, "Move").last.get_by_role("link", name="Go on").click()
        confirm(page, "Go on")
        expect(page.locator(".ch-head h2")).to_contain_text("Done", timeout=LONG)
    assert billed_by(customers) == {"Enterprise": 6}
    expect(page.get_by_text("6 of 6 customers dealt with")).to_be_visible()

    row = page.get_by_role("row", name=re.compile("Customer 0003"))
    row.get_by_role("link", name="Take back").click()
    confirm(page, "See what changes", "Asked for it")
    expect(page.get_by_role("row", name="Due after 45 days 30 days")).to_be_visible()
    confirm(page, "Take back")
    expect(page.get_by_text("Customer 0003 is billed by “Default” again.")).to_be_visible()
    page.goto(f"{migration}?outcome=taken_back")
    expect(page.get_by_role("row", name=re.compile("Customer 0003 .* Taken back"))).to_be_visible()
    expect(page.get_by_text("Customer 0004")).to_be_hidden()
    assert billed_by(customers) == {"Enterprise": 5, "Default": 1}
