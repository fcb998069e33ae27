"""A worker that is killed between a charge and its record: the money is found, and nobody is charged twice."""

import os
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from customers.models import CustomerAppData
from invoicing.models import Payment
from tests.support.charges import check_books, collect, reconcile, state
from tests.support.closing import START, make_many
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_killed_between_the_charge_and_its_record(app, fake):
    """Three charges are under way: Stripe has made some of them, and answered none."""
    make_default_profile(app=app)
    invoices = sorted(make_many(3), key=lambda one: one.pk)
    for number, invoice in enumerate(invoices):
        fake.add_customer(f"cus_{number}", behaviour="stall")
        CustomerAppData.objects.create(customer=invoice.customer, app=app, external_id=f"cus_{number}")
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.stripe.charging_worker"),
            *(START.isoformat(), connection.settings_dict["NAME"], settings.STRIPE_API_BASE),
        ],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "billing_site.settings.test"},
    ) as worker:
        try:
            assert fake.stalled.wait(timeout=60)
        finally:
            worker.send_signal(signal.SIGKILL)
    fake.go_on.set()
    fake.behaviour.clear()
    assert set(Payment.objects.values_list("status", flat=True)) == {"pending"}
    collect()
    collect(START.replace(day=18))
    reconcile()
    for payment in Payment.objects.filter(status="unknown"):  # it never arrived: known so a quarter of an hour later
        payment.sent_at = payment.sent_at.replace(year=2020)
        payment.save()
    reconcile()
    collect(START.replace(day=19))
    assert [state(invoice) for invoice in invoices] == [("paid", "50.00", "0.00")] * 3
    assert [fake.charged(f"cus_{number}") for number in range(3)] == [[5000]] * 3
    check_books()
