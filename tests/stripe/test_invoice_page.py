"""Charges at Stripe as the invoice page shows them: Stripe's words, the way out, and asking for the outcome."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core import clock
from customers.models import BillingApp
from invoicing.models import Payment
from invoicing.services.record_payment import record_payment
from tests.admin.billed import START
from tests.admin.desk import Desk, page_url, said
from tests.stripe.desk import collect, issued, state

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
