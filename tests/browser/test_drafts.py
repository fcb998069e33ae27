"""A one-off charge, an invoice made at once and the edit of its draft, from page to page."""

import os
from pathlib import Path

import pytest

from invoicing.models import Invoice
from tests.support.customers import make_default_profile, vat_customer
from tests.support.desk import page_url, verb_url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Where somebody wants to look at the pages: a folder for screenshots.
LOOK = os.environ.get("SCREENSHOTS", "")


def look(page, name):
    if LOOK:
        page.screenshot(path=str(Path(LOOK) / f"{name}.png"), full_page=True)


def test_a_charge_is_added_invoiced_and_its_draft_edited(page, log_in):
    """2 x 120.00 and 19 % VAT: 285.60; with one instead of two, 142.80."""
    make_default_profile(tax_enabled=True, auto_advance=False)
    customer = vat_customer()
    log_in("Billing admin")
    page.goto(page_url(customer))
    page.get_by_role("link", name="Add a one-off charge").click()
    page.get_by_label("What for").fill("Onsite training")
    page.get_by_label("Price of one").fill("120.00")
    page.get_by_label("How many").fill("2")
    page.get_by_label("Reason").fill("Agreed by phone")
    look(page, "charge-form")
    page.get_by_role("button", name="See what changes").click()
    page.get_by_text("285.60").wait_for()
    look(page, "charge-review")
    page.get_by_role("button", name="Add a one-off charge").click()
    page.get_by_text("waits on the gathering invoice and is due now").wait_for()
    look(page, "customer")
    page.goto(verb_url(customer, "invoice-now"))
    page.get_by_label("Reason").fill("They asked for it")
    page.get_by_role("button", name="See what changes").click()
    page.get_by_text("285.60").first.wait_for()
    look(page, "invoice-now")
    page.get_by_role("button", name="Invoice what is due").click()
    page.get_by_text("1 invoice made, over 285.60").wait_for()
    draft = Invoice.objects.get(status__startswith="draft.")
    page.goto(page_url(draft))
    look(page, "draft")
    page.get_by_role("link", name="Edit draft").click()
    page.get_by_label("quantity").fill("1")
    page.get_by_label("Reason").fill("One day fell out")
    look(page, "edit-form")
    page.get_by_role("button", name="See what changes").click()
    page.get_by_text("142.80").first.wait_for()
    look(page, "edit-review")
    page.get_by_role("button", name="Edit draft").click()
    page.get_by_text("it comes to 142.80").wait_for()
    look(page, "edited")
