"""A wrong invoice in a real browser: a line is credited, and another invoice is voided and reissued."""

import pytest
from playwright.sync_api import expect

from core import clock
from invoicing.models import Invoice
from tests.support.corrections import NOW, amounts, make_correctable, pay
from tests.support.desk import page_url
from tests.support.invoices import notes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _in_april(db):
    with clock.frozen_at(NOW):
        yield


def test_a_wrong_line_is_credited_and_refunded(page, log_in):
    log_in("Finance approver")
    invoice = make_correctable()
    pay(invoice, "154.70")
    page.goto(page_url(invoice))
    void = page.get_by_role("button", name="Void:")
    expect(void).to_have_attribute("aria-disabled", "true")
    expect(void).to_contain_text("154.70 EUR of it is paid: credit it instead")

    page.get_by_role("link", name="Credit", exact=True).click()
    page.get_by_label("Seats, net").fill("10")
    page.get_by_label("is refunded by the payments that brought it in").check()
    page.get_by_label("Reason").fill("Wrong price")
    page.get_by_role("button", name="See what changes").click()
    expect(page.locator(".ch-effects tr", has_text="Refunded")).to_contain_text("11.90 EUR")
    assert notes() == []
    page.get_by_role("button", name="Credit", exact=True).click()
    expect(page.get_by_text("CN-000001 credits 11.90 EUR of INV-000001.")).to_be_visible()
    assert amounts(invoice)["refunded"] == "11.90"


def test_an_unpaid_invoice_is_voided_and_reissued_side_by_side(page, log_in):
    log_in("Finance approver")
    invoice = make_correctable()
    invoice.customer.country = ""
    invoice.customer.save()
    page.goto(page_url(invoice))
    page.get_by_role("link", name="Void", exact=True).click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Void and reissue").click()
    page.get_by_label("Reason").fill("Wrong country")
    page.get_by_role("button", name="See what changes").click()
    expect(page.locator("tfoot tr", has_text="Total")).to_contain_text("154.70 EUR")
    expect(page.locator("tfoot tr", has_text="Total")).to_contain_text("130.00 EUR")
    page.get_by_role("button", name="Void and reissue").click()
    expect(page.get_by_text("INV-000002 over 130.00 EUR is issued instead.")).to_be_visible()
    page.get_by_role("link", name="INV-000002").first.click()
    expect(page.get_by_role("heading", name="INV-000002 Issued")).to_be_visible()
    assert Invoice.objects.get(number="INV-000002").replaces_id == invoice.pk
