"""Charges, questions and refunds: a call ends with the batch in which its time is over, whatever Stripe takes."""

from decimal import Decimal

import pytest

from core import clock
from customers.models import CustomerAppData
from invoicing.models import Invoice, Payment
from invoicing.payments import collect_remotely, reconcile_payments
from invoicing.payments.collect import collect_due
from invoicing.payments.record_payment import record_payment
from invoicing.payments.refund import refund_invoice, send_refunds
from subscriptions.models import Plan
from tests.support.charges import check_books, issued
from tests.support.closing import START, make_subscriber, run_close

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_call_ends_with_the_batch_in_which_its_time_is_over(app, fake, monkeypatch):
    for module in (collect_remotely, reconcile_payments):
        monkeypatch.setattr(module, "BATCH_SIZE", 1)
    first = issued(app, fake, "processing")
    other = make_subscriber(Plan.objects.get(), key="other", name="Other")
    fake.add_customer("cus_2", behaviour="processing")
    CustomerAppData.objects.create(customer=other, app=app, external_id="cus_2")
    run_close()
    with clock.frozen_at(START):
        assert [collect_due(as_of=START, seconds=0) for _ in range(3)] == [1, 1, 0]
        record_payment(invoice=first, amount=Decimal("50.00"), received_at=START, reference="by bank")
        for intent in fake.intents.values():
            intent["status"] = "succeeded"
        Payment.objects.filter(attempt=1).update(next_check_at=clock.real_now())
        assert [reconcile_payments.reconcile_payments(as_of=START, seconds=0) for _ in range(3)] == [1, 1, 0]
        assert {*Invoice.objects.filter(issued_at__isnull=False).values_list("status", flat=True)} == {"paid"}
        # The charge came in last, so that what was paid twice goes back by it.
        first.payments.filter(attempt=None).update(received_at=START.replace(day=1))
        for _ in range(2):
            refund_invoice(invoice=first, amount=Decimal("20.00"), reason="Paid twice")
        assert [send_refunds(as_of=START, seconds=0) for _ in range(3)] == [1, 1, 0]
    check_books()
