"""Money given back at Stripe: once, reversed where Stripe refuses, and never more than is on the balance."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import PreconditionFailed
from invoicing.models import BalanceEntry, Refund
from invoicing.services.record_payment import record_payment
from invoicing.services.refund import refund_invoice, send_refunds
from tests.admin.billed import START
from tests.stripe.desk import check_books, collect, issued, reconcile, state

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def invoice(app, fake):
    """Paid twice: 50.00 by bank transfer, then the 50.00 of the charge, which went to the balance."""
    invoice = issued(app, fake, "processing")
    collect()
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=START, reference="by bank")
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    assert state(invoice) == ("paid", "100.00", "0.00")
    # The charge was received last, so refunds go back by it.
    invoice.payments.filter(attempt=None).update(received_at=START.replace(day=1))
    return invoice


def give_back(invoice, amount="20.00"):
    with clock.frozen_at(START):
        return refund_invoice(invoice=invoice, amount=Decimal(amount), reason="Paid twice")


def send():
    Refund.objects.exclude(next_check_at=None).update(next_check_at=clock.real_now())
    with clock.frozen_at(START):
        send_refunds(as_of=START)


def books(invoice):
    invoice.refresh_from_db()
    check_books()
    balance = sum(BalanceEntry.objects.values_list("amount", flat=True))
    return str(invoice.refunded), str(invoice.moved_to_balance), str(balance), Refund.objects.get().status


def test_a_refund_leaves_the_balance_at_once_and_is_given_once(invoice, fake):
    give_back(invoice)
    assert books(invoice) == ("20.00", "30.00", "30.00", "pending")
    send()
    send()
    assert books(invoice) == ("20.00", "30.00", "30.00", "succeeded")
    assert [refund["amount"] for refund in fake.refunds.values()] == [2000]


def test_a_lost_answer_is_asked_for_again_and_given_once(invoice, fake):
    give_back(invoice)
    fake.refund_behaviour = "drop"
    send()
    assert books(invoice)[3] == "unknown"
    fake.refund_behaviour = ""
    send()
    assert books(invoice) == ("20.00", "30.00", "30.00", "succeeded")
    assert [refund["amount"] for refund in fake.refunds.values()] == [2000]


def test_what_stripe_refuses_is_on_the_balance_again(invoice, fake):
    give_back(invoice)
    fake.refund_behaviour = "refuse"
    send()
    assert books(invoice) == ("0.00", "50.00", "50.00", "failed")


def test_no_more_is_refunded_than_is_on_the_balance(invoice):
    with pytest.raises(PreconditionFailed, match=r"Only 50\.00 EUR"):
        give_back(invoice, "50.01")
    assert not Refund.objects.exists()
