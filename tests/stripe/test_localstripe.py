"""The same charges against localstripe, somebody else's idea of Stripe, in a process of its own."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stripe

from core import clock
from customers.models import CustomerAppData
from invoicing.models import Payment
from invoicing.payments.connect_stripe import install_stripe
from invoicing.payments.set_stripe_customer import set_stripe_customer
from tests.support.charges import KEY, check_books, collect, reconcile, state
from tests.support.closing import START, make_issued
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(__file__).with_name("localstripe_server.py")
    with subprocess.Popen([sys.executable, str(program), str(port)]) as server:
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def at_stripe(address, settings):
    settings.STRIPE_API_BASE = address
    http = stripe.RequestsClient(timeout=20)
    yield stripe.StripeClient(KEY, base_addresses={"api": address}, http_client=http).v1
    http.close()


def billed(at_stripe, method):
    """An invoice over 50.00 EUR of a customer who pays by `method`, whose default it is at Stripe."""
    app = install_stripe(name="Stripe", api_key=KEY)
    make_default_profile(app=app)
    invoice = make_issued()
    customer = at_stripe.customers.create({"email": "billing@acme.example"})
    attached = at_stripe.payment_methods.attach(method, {"customer": customer.id})
    at_stripe.customers.update(customer.id, {"invoice_settings": {"default_payment_method": attached.id}})
    set_stripe_customer(customer=invoice.customer, app=app, stripe_customer_id=customer.id, payment_method=None)
    assert CustomerAppData.objects.get().external_id == customer.id
    return invoice


def test_a_card_that_pays(at_stripe):
    invoice = billed(at_stripe, "pm_card_visa")
    collect()
    assert state(invoice) == ("paid", "50.00", "0.00")
    intent = at_stripe.payment_intents.retrieve(Payment.objects.get().external_id)
    assert (intent.amount, intent.currency, intent.status) == (5000, "eur", "succeeded")
    assert intent.metadata["invoice_number"] == "INV-000001"
    check_books()


def test_a_card_that_is_declined(at_stripe):
    invoice = billed(at_stripe, "pm_card_chargeCustomerFail")
    collect()
    assert state(invoice) == ("payment_processing.failed", "0", "50.00")
    assert Payment.objects.get().failure_code == "card_declined"


def test_a_card_that_asks_for_confirmation(at_stripe):
    method = at_stripe.payment_methods.create(
        {"type": "card", "card": {"number": "4000002760003184", "exp_month": 12, "exp_year": 2040, "cvc": "123"}}
    )
    invoice = billed(at_stripe, method.id)
    collect()
    assert state(invoice)[0] == "payment_processing.action_required"
    with clock.frozen_at(START):
        reconcile()
    assert state(invoice)[0] == "payment_processing.action_required"
