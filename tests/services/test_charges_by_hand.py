"""One-off charges wait on the gathering invoice and are billed by the ordinary close (billing rules 6)."""

from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.errors import BillingError
from invoicing.choices import InvoiceStatus
from invoicing.drafts.delete_draft import delete_draft
from invoicing.gathering.add_charges import Charge, add_charges
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.gathering.live_totals import show_live
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import BillingDue, Invoice, InvoiceLine
from invoicing.previews.preview_customers import preview_customer
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import flat_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import make_subscriber, run
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.invoices import invoices, lines_of
from tests.support.usage import use

pytestmark = pytest.mark.django_db

FLAT_30 = {"type": "flat", "amount": "30.00"}


def charge(**overrides):
    values: dict[str, Any] = {
        "name": "Onsite training",
        "start": at("2026-04-01"),
        "end": at("2026-04-02"),
        "invoice_at": at("2026-04-02"),
        "price": FLAT_30,
    }
    return Charge(**(values | overrides))


def add(customer, *charges, on="2026-03-20", currency="EUR"):
    with clock.frozen_at(at(on)):
        return add_charges(customer=customer, currency=currency, charges=charges)


def test_a_customer_without_a_subscription_is_billed_when_the_charge_falls_due():
    """3 x 30.00 less 10 % are 81.00, and 19 % VAT of that 15.39."""
    make_default_profile(tax_enabled=True)
    customer = vat_customer()
    made = add(customer, charge(quantity=Decimal(3), discounts={"percentage": {"percentage": 10}}))
    assert made.is_new
    assert [row.due_at for row in BillingDue.objects.all()] == [at("2026-04-02")]
    with clock.frozen_at(at("2026-03-21")):
        gathering = Invoice.objects.get(status=InvoiceStatus.GATHERING)
        show_live([gathering])
        # Its time has not begun: it is owed by nobody yet.
        assert (str(gathering.total), str(vars(gathering)["begins_later"])) == ("0.00", "96.39")
    with clock.frozen_at(at("2026-04-01")):
        show_live([gathering])
        assert (str(gathering.amount), str(gathering.discounts_total), str(gathering.total)) == (
            "90.00",
            "9.00",
            "96.39",
        )
    run("2026-04-01T23:59")
    assert invoices() == []
    run("2026-04-02")
    assert invoices() == [("INV-000001", "96.39", "0.00")]
    line = InvoiceLine.objects.get()
    assert (line.pk, line.managed_by) == (made.lines[0].pk, "manual")
    assert (line.quantity, line.tax_rate, line.discounts_total) == (3, 19, 9)
    assert not BillingDue.objects.exists()
    run("2026-04-03")
    assert len(invoices()) == 1
    assert_books_are_clean("2026-04-03")


def test_it_shares_the_invoice_of_what_a_subscription_owes_on_that_day():
    make_default_profile()
    customer = make_subscriber(flat_plan("basic", "50.00"))
    run("2026-03-17")
    assert not add(
        customer, charge(invoice_at=at("2026-04-17")), charge(name="Setup", invoice_at=at("2026-05-01"))
    ).is_new
    with clock.frozen_at(at("2026-03-21")):
        preview = preview_customer(customer_id=customer.pk, until=at("2026-05-02"))
    assert len(preview.documents) == 2
    run("2026-04-17")
    assert lines_of("INV-000002") == [("Basic fee", "50.00"), ("Onsite training", "30.00")]
    run("2026-05-01")
    assert lines_of("INV-000003") == [("Setup", "30.00")]
    assert_books_are_clean("2026-05-01")


def test_what_is_due_already_waits_for_nobody_and_is_invoiced_once():
    make_default_profile()
    customer = make_customer()
    made = add(customer, charge(), charge(name="Later", invoice_at=at("2026-06-01")), on="2026-04-10")
    with clock.frozen_at(at("2026-04-10")):
        with pytest.raises(BillingError, match="not due by"):
            invoice_pending_lines(customer=customer, line_ids=[made.lines[1].pk])
        [invoice] = invoice_pending_lines(customer=customer, line_ids=[made.lines[0].pk])
        assert (invoice.number, str(invoice.total)) == ("INV-000001", "30.00")
        with pytest.raises(BillingError, match="nothing to invoice"):
            invoice_pending_lines(customer=customer)
    assert [row.due_at for row in BillingDue.objects.all()] == [at("2026-06-01")]


def test_it_is_collected_on_the_rhythm_and_earlier_where_the_rhythm_goes():
    """Anchored on the first: what falls due on 2 April is collected on 1 May; with other terms, at once."""
    profile = make_default_profile(
        collection_alignment="anchored", collection_cadence="P1M", collection_anchor=at("2026-01-01")
    )
    customer = make_customer()
    add(customer, charge())
    run("2026-04-02")
    assert invoices() == []
    assert [row.due_at for row in BillingDue.objects.all()] == [at("2026-05-01")]
    profile.collection_alignment = "subscription"
    profile.save()
    assert [row.due_at for row in BillingDue.objects.all()] == [at("2026-04-02")]
    run("2026-04-05")
    assert invoices() == [("INV-000001", "30.00", "0.00")]


@pytest.mark.parametrize("rebill", [True, False])
def test_a_deleted_draft_lets_it_wait_again_or_waives_it(rebill):
    make_default_profile(auto_advance=False)
    customer = make_customer()
    add(customer, charge())
    run("2026-04-02")
    draft = Invoice.objects.get(status__startswith="draft.")
    with clock.frozen_at(at("2026-04-03")):
        delete_draft(invoice=draft, rebill=rebill, reason="Wrong day")
    run("2026-04-04")
    again = Invoice.objects.filter(status__startswith="draft.")
    assert [str(invoice.total) for invoice in again] == (["30.00"] if rebill else [])
    assert_books_are_clean("2026-04-04")


@pytest.mark.parametrize("rebill", [True, False])
def test_a_void_lets_it_wait_again_or_waives_it(rebill):
    make_default_profile(collection_method="send_invoice")
    add(make_customer(), charge(), charge(name="Setup"))
    run("2026-04-02")
    invoice = Invoice.objects.get(issued_at__isnull=False)
    setup = invoice.lines.get(name="Setup")
    with clock.frozen_at(at("2026-04-03")):
        void_invoice(invoice=invoice, rebill=rebill, lines={setup.pk: not rebill}, reason="Wrong address")
    run("2026-04-04")
    assert lines_of("INV-000002") == [("Onsite training" if rebill else "Setup", "30.00")]
    assert_books_are_clean("2026-04-04")


def test_a_running_period_of_usage_is_split_while_it_waits():
    """10 calls at 2.00 up to 20 April are billed then; the charge waits for 1 May."""
    make_default_profile(progressive_billing=True)
    calls = usage_card(
        key="calls",
        name="Calls",
        feature=make_feature(key="calls", name="Calls", meter=make_meter()),
        price={"type": "unit", "amount": "2.00"},
    )
    customer = make_subscriber(make_plan(cards=(calls,)))
    add(customer, charge(invoice_at=at("2026-05-01")))
    use("2026-04-18", 10)
    run("2026-04-17")
    with clock.frozen_at(at("2026-04-20")):
        [invoice] = invoice_pending_lines(customer=customer)
    assert str(invoice.total) == "20.00"
    assert_books_are_clean("2026-04-20")
    run("2026-05-01")
    assert invoices()[-1][1] == "30.00"


REFUSED = {
    "no_price": (charge(price=None), "rateCard.price"),
    "negative": (charge(price={"type": "flat", "amount": "-1.00"}), "rateCard.price.amount"),
    "usage": (charge(price={"type": "unit", "amount": "1.00"}, feature_key="calls"), "rateCard.price.type"),
    "free_units": (charge(discounts={"usage": {"quantity": "5"}}), "rateCard.discounts.usage"),
    "backwards": (charge(end=at("2026-03-01")), "period.to"),
    "nothing": (charge(quantity=Decimal(0)), "quantity"),
    "no_name": (charge(name=" "), "name"),
    "too_much": (charge(price={"type": "flat", "amount": "99999999999999.00"}), "rateCard.price.amount"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_by_its_field_and_nothing_is_added(case):
    make_default_profile()
    wrong, path = REFUSED[case]
    with pytest.raises(BillingError) as refused:
        add(make_customer(), charge(), wrong)
    assert [problem.field for problem in refused.value.problems] == [f"lines.1.{path}"]
    assert not Invoice.objects.exists()
    assert not BillingDue.objects.exists()


@pytest.mark.parametrize("currency", ["USD", "XXX"])
def test_another_currency_is_refused(currency):
    make_default_profile()
    with pytest.raises(BillingError) as refused:
        add(make_customer(), charge(), currency=currency)
    assert refused.value.problems[0].field == "currency"
    assert not Invoice.objects.exists()


def test_the_books_find_a_charge_that_nobody_would_look_at():
    make_default_profile()
    add(make_customer(), charge())
    assert_books_are_clean("2026-03-21")
    BillingDue.objects.all().delete()
    code, said = run_check(now="2026-03-21")
    assert code != 0
    assert "the charge Onsite training, added by hand, is due on 2026-04-02 00:00 UTC" in said


def test_a_deleted_customer_is_charged_nothing():
    make_default_profile()
    customer = make_customer(deleted_at=at("2026-01-01"))
    with pytest.raises(BillingError, match="deleted"):
        add(customer, charge())
    assert not Invoice.objects.exists()
