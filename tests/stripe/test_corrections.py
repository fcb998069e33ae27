"""Corrections of invoices that Stripe charges: refunds in the same act, and what becomes of charges under way."""

import pytest

from core import clock
from invoicing.errors import WrongInvoiceState
from invoicing.issued.credit_invoice import credit_invoice
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import BalanceEntry, Refund
from invoicing.payments.refund import send_refunds
from tests.support.charges import check_books, collect, issued, reconcile, state
from tests.support.closing import START

pytestmark = pytest.mark.django_db(transaction=True)


def void(invoice):
    with clock.frozen_at(START):
        return void_invoice(invoice=invoice, rebill=True, reason="Wrong address")


def balance():
    return f"{sum(BalanceEntry.objects.values_list('amount', flat=True)):.2f}"


def give_back(invoice):
    with clock.frozen_at(START):
        credit_invoice(invoice=invoice, lines=None, refund=True, reason="Wrong price")
        Refund.objects.update(next_check_at=clock.real_now())
        send_refunds(as_of=START)
        send_refunds(as_of=START)
    invoice.refresh_from_db()
    check_books()


def test_a_credit_is_refunded_at_stripe_once(app, fake):
    invoice = issued(app, fake)
    collect()
    give_back(invoice)
    assert [refund["amount"] for refund in fake.refunds.values()] == [5000]
    assert (f"{invoice.credited:.2f}", f"{invoice.refunded:.2f}", balance()) == ("50.00", "50.00", "0.00")
    assert Refund.objects.get().status == "succeeded"


def test_what_stripe_refuses_to_refund_is_on_the_balance(app, fake):
    invoice = issued(app, fake)
    collect()
    fake.refund_behaviour = "refuse"
    give_back(invoice)
    assert (f"{invoice.credited:.2f}", f"{invoice.refunded:.2f}", balance()) == ("50.00", "0.00", "50.00")


def test_a_charge_that_waits_for_the_customer_ends_at_stripe_with_the_void(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    void(invoice)
    reconcile()
    assert fake.intents["pi_1"]["status"] == "canceled"
    assert state(invoice) == ("voided", "0", "0.00")
    assert balance() == "0.00"
    check_books()


def test_where_the_customer_was_faster_the_money_is_theirs(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    void(invoice)
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    assert state(invoice)[0] == "voided"
    assert balance() == "50.00"
    check_books()


def test_while_a_charge_is_under_way_nothing_is_voided(app, fake):
    invoice = issued(app, fake, "processing")
    collect()
    with pytest.raises(WrongInvoiceState, match="A charge of it is under way: wait for its outcome"):
        void(invoice)
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()
