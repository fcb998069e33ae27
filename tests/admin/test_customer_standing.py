"""How a customer stands, on their page: open, overdue, balance, usage, next invoice; a fixed number of queries."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from core import clock
from customers.models import UsageSubject
from entitlements.models import UsageEvent
from invoicing.models import BalanceEntry, Invoice, ParkedCustomer
from invoicing.payments.record_payment import record_payment
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.admin.pages import text_of
from tests.admin.test_lists import queries
from tests.support.catalog import flat_card, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import START, make_issued, make_subscriber, run_close
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url

pytestmark = pytest.mark.django_db


def part(customer, name):
    return reverse(f"admin:customers_customer_{name}", args=[customer.pk])


def card(page, heading):
    return page.split(f"<h3>{heading}</h3>")[1].split("</section>")[0]


def make_metered():
    """Acme pays 50.00 in advance and 1.00 for each started package of 25 calls, since 17 March 2026."""
    make_default_profile()
    feature = make_feature(key="calls", name="Calls", meter=make_meter())
    plan = make_plan(cards=(flat_card(), usage_card(key="calls", name="Calls", feature=feature)))
    customer = make_subscriber(plan)
    run_close()
    UsageEvent.objects.create(
        source="app", external_id="1", type="usage", subject="acme", time=at("2026-03-20"), data={"amount": 60}
    )
    return customer


def test_open_overdue_and_balance_are_shown_by_currency(clerk):
    invoice = make_issued(collection_method="send_invoice")
    customer = invoice.customer
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal("20.00"), received_at=START, reference="x")
        BalanceEntry.objects.create(customer=customer, currency="EUR", kind="overpayment", amount=Decimal("12.50"))
        page = clerk.read(page_url(customer))
        assert 'Open in EUR</span><span class="ch-figure"><span class="ch-money">30.00' in page
        assert 'Balance in EUR</span><span class="ch-figure"><span class="ch-money">12.50' in page
        assert "overdue" not in page.split("ch-columns")[0]
    with clock.frozen_at(at("2026-04-17")):
        assert "of it overdue" in clerk.read(page_url(customer))


def test_a_parked_customer_says_why_on_top(clerk):
    customer = make_customer()
    make_default_profile()
    parked = ParkedCustomer.objects.create(customer=customer, cause_code="no_price", cause="No price.")
    page = clerk.read(page_url(customer))
    assert "Parked since" in page
    assert "No price." in page
    assert page_url(parked) in page


def test_usage_of_the_open_period_comes_with_what_it_costs_so_far(clerk):
    customer = make_metered()
    with clock.frozen_at(at("2026-03-25")):
        shown = card(clerk.read(part(customer, "gathering")), "Usage this period")
    assert "Calls" in shown
    assert '<span class="ch-money">60</span>' in shown
    assert '3.00 <span class="ch-currency">EUR</span>' in shown  # three started packages of 25


def test_what_is_gathered_for_what_has_begun_stands_apart_from_fees_of_later_periods(clerk):
    customer = make_metered()
    with clock.frozen_at(at("2026-03-25")):
        tile = clerk.read(part(customer, "gathering")).split("</a>")[0]
        page = clerk.read(page_url(Invoice.objects.get(status="gathering")))
    # 60 calls in three packages at 1.00; the base fee of 50.00 from 17 April on is not owed before.
    assert 'ch-figure"><span class="ch-money">3.00 ' in tile
    assert re.search(r'and <span class="ch-money">50\.00 .* for periods that begin later', tile)
    assert re.search(
        r'other <span class="ch-money">50\.00 .* is for periods that begin later, and in no total yet', page
    )


def test_the_next_invoice_is_previewed_with_the_usage_known_so_far_and_nothing_is_written(clerk):
    customer = make_metered()
    before = Invoice.objects.count()
    with clock.frozen_at(at("2026-03-25")):
        shown = card(clerk.read(part(customer, "next")), "Next invoice")
    assert "17 Apr 2026 00:00 UTC" in text_of(shown)
    assert "Base fee" in shown
    assert "<strong>Invoice of " in shown
    assert '<strong><span class="ch-money">53.00 <span' in shown  # 50.00 in advance, 3.00 used
    assert 'quantity <span class="ch-money">60</span>' in shown
    assert "Invoiced" in card(clerk.read(part(customer, "next")), "Billing runs")
    assert Invoice.objects.count() == before


def test_who_has_nothing_to_bill_is_told_so(clerk):
    make_default_profile()
    customer = make_customer()
    assert "No subscription has anything more to bill." in clerk.read(part(customer, "next"))
    assert "Nothing is metered." in clerk.read(part(customer, "gathering"))


def test_why_nothing_can_be_billed_stands_in_the_place_of_the_next_invoice(clerk):
    customer = make_metered()
    customer.subscriptions.get().items.get(key="calls").revisions.update(price={"type": "unheard of"})
    with clock.frozen_at(at("2026-03-25")):
        shown = card(clerk.read(part(customer, "next")), "Next invoice")
    assert "ch-empty" in shown


def test_an_open_invoice_is_listed_before_newer_paid_ones(clerk):
    invoice = make_issued(collection_method="send_invoice")
    customer = invoice.customer
    make_default_profile(collection_method="charge_automatically")
    run_close(as_of=at("2026-04-17"))
    listed = card(clerk.read(page_url(customer)), "Invoices")
    assert Invoice.objects.get(number="INV-000002").status == "paid"
    assert listed.index("INV-000001") < listed.index("INV-000002")


def test_page_and_parts_ask_a_fixed_number_of_queries(clerk):
    customer = make_metered()
    plan = make_plan(key="seats", name="Seats", cards=(flat_card(key="seats"),))

    def measured():
        urls = (page_url(customer), part(customer, "gathering"), part(customer, "next"))
        with clock.frozen_at(at("2026-03-25")):
            return [queries(clerk, url) for url in urls]

    def grow(first, count):
        for number in range(first, first + count):
            UsageSubject.objects.create(customer=customer, key=f"acme-{number}")
            with clock.frozen_at(START):
                record_subscription(customer=customer, plan=plan, active_from=START)
        run_close()

    grow(0, 2)
    few = measured()
    grow(2, 27)
    assert measured() == few
    assert few[0] <= 12
    assert few[1] <= 26
    assert few[2] <= 54
