"""What the tests of Stripe do again and again."""

from datetime import timedelta

from core import clock
from customers.models import CustomerAppData
from invoicing.models import Payment
from invoicing.payments.collect import collect_due
from invoicing.payments.reconcile_payments import reconcile_payments
from tests.support.books import run_check
from tests.support.closing import START, make_issued
from tests.support.customers import make_default_profile

KEY = "sk_test_0123456789abcdefXYZ"


def issued(app, fake, behaviour="", **customer):
    """INV-000001 over 50.00 EUR, issued on 17 March 2026 and to be charged at Stripe."""
    make_default_profile(app=app)
    invoice = make_issued()
    fake.add_customer("cus_1", behaviour=behaviour, **customer)
    CustomerAppData.objects.create(customer=invoice.customer, app=app, external_id="cus_1")
    return invoice


def collect(when=START):
    with clock.frozen_at(when):
        collect_due(as_of=when)


def reconcile(when=START, *, later=timedelta()):
    """Ask about open charges, as if `later` had passed since they were sent."""
    for payment in Payment.objects.exclude(next_check_at=None):
        payment.sent_at -= later
        payment.next_check_at = clock.real_now()
        payment.save()
    with clock.frozen_at(when):
        return reconcile_payments(as_of=when)


def state(invoice):
    invoice.refresh_from_db()
    return invoice.status, str(invoice.paid), str(invoice.due)


def check_books():
    code, said = run_check("--only", "7", now="2026-03-17T00:01")
    assert code == 0, said
