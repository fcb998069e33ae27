"""The queue of drafts and splitting by hand in a real browser, by keyboard where that is the point."""

import pytest
from playwright.sync_api import expect

from core import clock
from invoicing.drafts.judge_drafts import judge_waiting
from invoicing.models import Invoice
from tests.support.catalog import flat_plan, make_feature, make_meter
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url
from tests.support.subscriptions import subscribe
from tests.support.usage import metered, use

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _in_april(db):
    with clock.frozen_at(at("2026-04-10")):
        yield


def test_the_queue_is_worked_off_by_keyboard(page, log_in):
    """Two first invoices over 10.00 and 20.00; the space bar chooses, Enter confirms."""
    make_default_profile(auto_advance=False)
    for key, fee in (("acme", "10.00"), ("bolt", "20.00")):
        subscribe(flat_plan(key, fee), customer=make_customer(key=key, name=key.title()))
    judge_waiting()
    log_in("Finance approver")
    page.goto("/admin/")
    tile = page.locator("a.ch-tile", has_text="To approve")
    expect(tile).to_contain_text("drafts that wait for an approver, 2 unusual")
    tile.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The customer's first invoice.")).to_have_count(2)
    page.locator("#action-toggle").first.focus()
    page.keyboard.press("Space")
    page.locator("select[name=action]").focus()
    page.locator("select[name=action]").select_option("approve")
    page.get_by_role("button", name="Run").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Together 30.00 EUR. Unusual: first invoice (2).")).to_be_visible()
    page.get_by_label("Reason").fill("All seen")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Approve and issue: 2 of 2 done")).to_be_visible()
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("0 drafts")).to_be_visible()


def test_usage_is_split_from_the_customers_page_and_the_whole_is_shown_with_its_parts(page, log_in):
    make_default_profile(progressive_billing=True)
    customer = subscribe(metered(make_feature(key="calls", name="Calls", meter=make_meter()))).customer
    use("2026-04-05", 50)
    log_in("Finance approver")
    page.goto(page_url(customer))
    page.get_by_role("link", name="Split now").click()
    # Now is filled in.
    expect(page.locator("input[name=moment_0]")).to_have_value(f"{clock.real_now():%Y-%m-%d}")
    page.locator("input[name=moment_0]").fill("2026-04-10")
    page.locator("input[name=moment_1]").fill("00:00:00")
    page.get_by_label("Reason").fill("Asked for by the customer")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("nothing is written yet")).to_be_visible()
    page.get_by_role("button", name="Split now").click()
    expect(page.get_by_text("1 invoice made, over 50.00 EUR")).to_be_visible()
    page.get_by_role("link", name="INV-000001").first.click()
    whole = page.locator(".ch-whole")
    expect(whole).to_contain_text("billed in parts, and in no total itself")
    expect(whole.get_by_text("this invoice")).to_be_visible()
    page.get_by_text("Why this amount?").click()
    expect(page.get_by_text("Used of it so far")).to_be_visible()
    whole.get_by_role("link", name="the gathering invoice").click()
    expect(page.locator(".ch-whole").get_by_role("link", name="INV-000001")).to_be_visible()
