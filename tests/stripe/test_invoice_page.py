"""Charges at Stripe as the invoice page shows them: Stripe's words, the way out, and asking for the outcome."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from core import clock
from customers.models import BillingApp
from invoicing.models import Payment
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import mark_uncollectible
from tests.support.charges import collect, issued, state
from tests.support.closing import START
from tests.support.desk import Desk, page_url, said, verb_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clerk(db):
    return Desk("Finance clerk")


def payments_on(page):
    return page.split("<h3>Payments</h3>")[1].split("</section>")[0]


def test_a_decline_shows_stripes_words_and_a_link_to_the_charge(app, fake, clerk):
    invoice = issued(app, fake, "decline")
    collect()
    shown = payments_on(clerk.read(page_url(invoice)))
    assert "Your card was declined." in shown
    assert "card_declined" in shown
    assert 'href="https://dashboard.stripe.com/acct_fake/test/payments/pi_1"' in shown


def test_a_charge_to_confirm_says_who_must_act_and_links_to_it(app, fake, clerk):
    invoice = issued(app, fake, "action")
    collect()
    shown = payments_on(clerk.read(page_url(invoice)))
    assert "Action required" in shown
    assert "The customer must confirm it with their bank" in shown
    assert "/test/payments/pi_1" in shown


def test_an_unknown_outcome_blocks_other_charges_and_is_asked_for_on_demand(app, fake, clerk):
    invoice = issued(app, fake, "drop")
    collect()
    payment = Payment.objects.get()
    assert payment.status == "unknown"
    page = clerk.read(page_url(invoice))
    assert "Nobody knows yet whether money was taken." in payments_on(page)
    assert "A charge is under way: wait for its outcome, or ask the provider." in page
    Payment.objects.update(next_check_at=clock.real_now() + timedelta(hours=6))
    with clock.frozen_at(START):
        response = clerk.do(invoice, "ask-provider", reason="The customer says it was taken")
    assert said(response) == ["Stripe EU is asked within seconds about 1 open payment of INV-000001."]
    payment.refresh_from_db()
    assert payment.next_check_at <= clock.real_now()
    assert state(invoice)[0] == "payment_processing.pending"


def test_asking_an_app_without_a_usable_key_says_what_it_needs(app, fake, clerk):
    invoice = issued(app, fake, "drop")
    collect()
    BillingApp.objects.filter(pk=app.pk).update(status="unauthorized")
    response = clerk.do(invoice, "ask-provider", reason="")
    assert "give it an API key first. Nothing was changed." in said(response)[0]


def test_a_refund_at_stripe_is_on_its_way_until_stripe_says_so(app, fake):
    approver = Desk("Finance approver")
    invoice = issued(app, fake)
    collect()
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal("30.00"), received_at=START, reference="again", settled_too=True)
        response = approver.do(invoice, "refund", amount="30.00", reason="Paid twice")
    assert said(response)[0].startswith("30.00 EUR of INV-000001")
    assert "Refund" in payments_on(approver.read(page_url(invoice)))


def test_a_charge_that_came_in_says_so_and_leads_to_its_page_and_to_stripe(app, fake, clerk):
    invoice = issued(app, fake)
    collect()
    shown = payments_on(clerk.read(page_url(invoice)))
    assert "The money came in." in shown
    assert ">pi_1 at Stripe EU</a>" in shown
    payment = Payment.objects.get()
    assert page_url(payment) in shown
    assert "<p>The money came in.</p>" in clerk.read(page_url(payment))


def test_an_open_charge_says_when_it_is_asked_about_and_its_page_leads_there(app, fake, clerk):
    invoice = issued(app, fake, "drop")
    collect()
    page = clerk.read(page_url(invoice))
    assert '<div class="ch-banner ch-amber"><span><strong>Payment processing.</strong>' in page
    assert re.search(r"its outcome is known: Stripe EU is asked next on <time", payments_on(page))
    assert verb_url(invoice, "ask-provider") in clerk.read(page_url(Payment.objects.get()))
    Payment.objects.update(checks=2)
    shown = payments_on(clerk.read(page_url(invoice)))
    assert "Stripe EU was asked 2 times so far, and is asked next on <time" in shown


def test_a_charge_to_confirm_on_an_invoice_that_was_given_up_promises_no_new_charge(app, fake, clerk):
    invoice = issued(app, fake, "action")
    collect()
    mark_uncollectible(invoice=invoice, reason="Gone")
    shown = payments_on(clerk.read(page_url(invoice)))
    assert "The customer can still confirm it with their bank: what comes in is booked." in shown
    assert "Charge now" not in shown


def test_a_charge_that_failed_is_struck_out(app, fake, clerk):
    invoice = issued(app, fake, "decline")
    collect()
    assert '<tr class="ch-void">' in payments_on(clerk.read(page_url(invoice)))
