"""Money at the finance desk in a real browser: a statement is imported and booked, and an overpayment goes back."""

from decimal import Decimal

import pytest
from playwright.sync_api import expect

from core import clock
from invoicing.models import BankStatement, Invoice, Payment, Refund
from invoicing.payments.record_payment import record_payment
from tests.support.closing import START, make_issued
from tests.support.desk import page_url
from tests.support.statements import FIVE_ROWS, HEADER, make_bank

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_statement_is_imported_reviewed_and_booked(page, log_in, tmp_path):
    log_in("Finance clerk")
    make_bank()
    file = tmp_path / "march.csv"
    file.write_text(HEADER + "\n".join(FIVE_ROWS))
    page.goto("/admin/")
    page.get_by_role("link", name="Bank statements").click()
    page.get_by_role("link", name="Import a statement").click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Import and review").click()
    expect(page.get_by_text("5 rows of march.csv are there to be reviewed.")).to_be_visible()

    page.get_by_role("link", name="Change row 4").click()
    page.locator(".select2-selection").click()
    page.locator(".select2-search__field").fill("customer 003")
    page.get_by_role("option", name="INV-000004 · Customer 003 · 50.00 EUR due").click()
    effects = page.locator("#effects")
    expect(effects.locator("tr", has_text="Due on INV-000004")).to_contain_text("0.00 EUR")
    page.get_by_role("button", name="Save the decision").click()
    expect(page.locator("#row-4")).to_contain_text("To book")

    page.get_by_label("Choose row 2").check()
    page.get_by_label("Choose row 3").check()
    page.get_by_role("button", name="Book chosen").click()
    expect(page.get_by_text("Book 2 rows of march.csv?")).to_be_visible()
    assert not Payment.objects.exists()
    page.get_by_role("button", name="Book 2 rows").click()
    expect(page.get_by_role("heading", name="2 of 2 rows booked")).to_be_visible()

    page.get_by_role("link", name="Back to the statement").click()
    page.get_by_role("link", name="Book 2 rows").click()
    page.get_by_role("button", name="Book 2 rows").click()
    expect(page.get_by_text("The statement is done with.")).to_be_visible()
    assert BankStatement.objects.get().status == "confirmed"
    assert sorted(Invoice.objects.exclude(number=None).values_list("number", "status")) == [
        ("INV-000001", "paid"),
        ("INV-000002", "issued"),
        ("INV-000003", "paid"),
        ("INV-000004", "paid"),
    ]


def test_an_overpayment_is_refunded_in_part_with_the_figures_following_what_is_typed(page, log_in):
    log_in("Finance approver")
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal("62.50"), received_at=START, reference="TRN-1")
    page.goto(page_url(invoice))
    page.get_by_role("link", name="Refund").click()
    balance = page.locator("#effects tr", has_text="Customer's balance")
    expect(balance.locator("td").last).to_have_text("0.00 EUR")
    page.get_by_label("Amount").fill("2.50")
    expect(balance.locator("td").last).to_have_text("10.00 EUR")
    assert not Refund.objects.exists()
    page.get_by_label("Reason").fill("They asked for it")
    page.get_by_role("button", name="Refund").click()
    expect(
        page.get_by_text("2.50 EUR of INV-000001 is recorded as given back: send the money to the customer.")
    ).to_be_visible()
    expect(page.get_by_text("They asked for it").first).to_be_visible()
    assert Refund.objects.get().amount == Decimal("2.50")
