"""The finance desk in a real browser: the daily jobs, with the keyboard too."""

import re

import pytest
from playwright.sync_api import expect

from invoicing.models import BillingRun, Invoice, ParkedCustomer
from invoicing.runs.work_shard import work_shard
from tests.support.catalog import make_excess_plan
from tests.support.closing import make_draft, make_issued, make_many, make_subscriber, run_close
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import PASSWORD, make_staff, page_url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_clerk_logs_in_and_lands_on_the_start_page(page):
    make_default_profile()
    make_staff("Finance clerk")
    page.goto("/")
    page.get_by_label("Username").fill("clerk")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Good to see you, Clerk")).to_be_visible()


def test_an_approver_issues_a_draft(page, log_in):
    log_in("Finance approver")
    draft = make_draft()
    page.goto(page_url(draft))
    page.get_by_role("link", name="Approve and issue").click()
    page.get_by_label("Reason").fill("Checked with sales")
    page.get_by_role("button", name="Approve and issue").click()
    expect(page.get_by_role("heading", name="INV-000001", level=2)).to_be_visible()
    expect(page.get_by_text("INV-000001 over 50.00 EUR is issued.")).to_be_visible()
    expect(page.get_by_text("Checked with sales")).to_be_visible()


def test_a_disabled_button_says_why_when_the_keyboard_reaches_it(page, log_in):
    log_in("Finance clerk")
    page.goto(page_url(make_issued()))
    button = page.get_by_role("button", name="Charge now: Nothing is due on it.")
    expect(button.locator(".ch-why")).to_be_hidden()
    button.focus()
    expect(button.locator(".ch-why")).to_be_visible()


def test_a_line_opens_to_its_arithmetic_and_closes_by_keyboard(page, log_in):
    log_in("Auditor")
    page.goto(page_url(make_issued()))
    origin = page.get_by_text("Plan storage, version 1")
    expect(origin).to_be_hidden()
    page.locator("summary", has_text="Why this amount? Base fee").press("Enter")
    expect(origin).to_be_visible()
    page.locator("summary", has_text="Why this amount? Base fee").press("Enter")
    expect(origin).to_be_hidden()


def test_a_run_is_started_and_its_page_follows_it_to_the_end(page, log_in):
    log_in("Finance approver")
    make_default_profile()
    make_subscriber(make_excess_plan())
    page.goto("/admin/")
    page.get_by_role("link", name="Start a billing run").click()
    page.get_by_role("button", name="Count first").click()
    expect(page.get_by_text("Bill 1 customer for everything due up to")).to_be_visible()
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text("0 of 1 customers")).to_be_visible()
    expect(page.get_by_text("Refreshes itself")).to_be_visible()
    work_shard(BillingRun.objects.get().shards.get().pk)
    expect(page.get_by_text("1 of 1 customers")).to_be_visible()
    expect(page.get_by_text("Refreshes itself")).to_be_hidden()


def test_an_invoice_is_found_from_the_keyboard(page, log_in):
    log_in("Finance clerk")
    make_issued()
    page.goto("/admin/")
    page.keyboard.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type("inv-000001")
    expect(page.locator("#command-results").get_by_text("INV-000001")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="INV-000001", level=2)).to_be_visible()


def test_what_is_owed_so_far_arrives_on_the_customers_page(page, log_in):
    log_in("Finance clerk")
    page.goto(page_url(make_issued().customer))
    expect(page.locator(".ch-tile", has_text="Gathering in EUR").locator(".ch-figure")).to_have_text("50.00 EUR")


def test_a_new_key_can_be_copied(page, log_in):
    log_in("Billing admin")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/admin/access/apikey/add/")
    page.get_by_label("Name").fill("Checkout")
    page.get_by_text("Report usage").click()
    page.get_by_role("button", name="Save").click()
    token = page.locator("#token").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token


def test_every_list_and_page_stands_without_complaint_and_without_sideways_scrolling(page, log_in):
    log_in("Billing admin")
    make_many(3)
    parked = ParkedCustomer.objects.create(customer=make_customer(), cause_code="no_price", cause="No price.")
    run_close()
    invoice = Invoice.objects.filter(issued_at__isnull=False).first()
    page.goto("/admin/")
    hrefs = page.locator("#nav-sidebar a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    lists = sorted({href for href in hrefs if re.fullmatch(r"/admin/\w+/\w+/", href or "")})
    assert len(lists) >= 20
    objects = (invoice, invoice.customer, invoice.run, invoice.profile, parked, invoice.customer.subscriptions.get())
    for url in [*lists, *(page_url(obj) for obj in objects)]:
        response = page.goto(url)
        assert response.status == 200, url
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, url
