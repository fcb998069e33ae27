"""Corrections that meet: two voids, a void and a charge in flight or its news, a credit note and a refund."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, transaction

from core import clock
from core.errors import BillingError
from core.locks import lock_customers
from invoicing.choices import PaymentStatus
from invoicing.gateways import ChargeOutcome
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.issued.reissue_invoice import reissue_invoice
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import Payment, Refund
from invoicing.payments.book_outcome import book_outcome
from invoicing.payments.record_payment import record_payment
from invoicing.payments.refund import refund_invoice
from tests.support.books import assert_books_are_clean
from tests.support.corrections import NOW, amounts, line, make_correctable, pay
from tests.support.invoices import balance, invoices, notes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def invoice(db):
    """INV-000001: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; unpaid."""
    return make_correctable()


@pytest.fixture(autouse=True)
def _clean_books(db):
    yield
    assert_books_are_clean("2026-04-10")


def at_once(customer_id, *acts):
    """What came of each: None, or the message that it was refused with. All wait at the customer's lock, then go."""
    begun = Barrier(len(acts) + 1)

    def go(act):
        try:
            begun.wait(20)
            with clock.frozen_at(NOW):
                act()
        except BillingError as error:
            return error.message
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(acts)) as pool:
        with transaction.atomic():
            lock_customers([customer_id])
            answers = [pool.submit(go, act) for act in acts]
            begun.wait(20)
        return [answer.result(60) for answer in answers]


def void(invoice):
    return lambda: void_invoice(invoice=invoice, rebill=True, reason="x")


def credit(invoice, amount, *, refund=False):
    lines = [LineCredit(line(invoice, "Seats").pk, Decimal(amount))]
    return lambda: credit_invoice(invoice=invoice, lines=lines, refund=refund, reason="x")


def test_two_voids_are_one(invoice):
    said = at_once(invoice.customer_id, void(invoice), void(invoice))
    assert sorted(said, key=bool)[0] is None
    assert "It is voided already" in sorted(said, key=bool)[1]
    assert amounts(invoice) == {"status": "voided", "due": "0.00"}


def test_two_reissues_make_one_replacement(invoice):
    def reissue():
        reissue_invoice(invoice=invoice, reason="x")

    said = at_once(invoice.customer_id, reissue, reissue)
    assert sorted(each is None for each in said) == [False, True]
    assert [number for number, _, _ in invoices()] == ["INV-000001", "INV-000002"]


def test_two_credits_never_take_more_than_is_left(invoice):
    said = at_once(invoice.customer_id, credit(invoice, "20.00"), credit(invoice, "20.00"))
    assert sorted(each is None for each in said) == [False, True]
    assert "Only 10.00 EUR net is left on Seats." in next(each for each in said if each)
    assert notes() == [("CN-000001", "20.00", "23.80", "23.80", "0.00")]


def test_a_void_and_a_payment_end_in_one_of_two_ways(invoice):
    def receive():
        record_payment(invoice=invoice, amount=Decimal("154.70"), received_at=NOW, reference="TRN-1")

    voided, received = at_once(invoice.customer_id, void(invoice), receive)
    if voided is None:
        assert (amounts(invoice)["status"], balance()) in {("voided", "0.00"), ("voided", "154.70")}
        assert (received is None) == (balance() == "154.70")
    else:
        assert "154.70 EUR of it is paid" in voided
        assert amounts(invoice) == {"status": "paid", "paid": "154.70", "due": "0.00"}


def test_no_void_passes_a_charge_in_flight_and_its_money_is_never_lost(invoice):
    charge = Payment.objects.create(
        invoice=invoice, app=invoice.app, amount=invoice.due, currency="EUR", status="unknown", attempt=1
    )

    def hear():
        outcome = ChargeOutcome(PaymentStatus.SUCCEEDED, "pi_1")
        book_outcome(payment_id=charge.pk, outcome=outcome, as_of=NOW)

    voided, heard = at_once(invoice.customer_id, void(invoice), hear)
    assert heard is None
    assert "A charge of it is under way" in voided or "154.70 EUR of it is paid" in voided
    assert amounts(invoice) == {"status": "paid", "paid": "154.70", "due": "0.00"}


def test_a_credit_that_is_refunded_and_a_refund_never_give_more_than_came_in(invoice):
    pay(invoice, "154.70")
    with clock.frozen_at(NOW):
        credit(invoice, "10.00")()
    given = at_once(
        invoice.customer_id,
        credit(invoice, "20.00", refund=True),
        lambda: refund_invoice(invoice=invoice, amount=Decimal("11.90"), reason="x"),
    )
    assert given == [None, None]
    assert sorted(f"{refund.amount:.2f}" for refund in Refund.objects.all()) == ["11.90", "23.80"]
    assert (amounts(invoice)["refunded"], balance()) == ("35.70", "0.00")


def test_two_refunding_credits_give_back_each_its_own(invoice):
    pay(invoice, "154.70")
    said = at_once(invoice.customer_id, credit(invoice, "15.00", refund=True), credit(invoice, "15.00", refund=True))
    assert said == [None, None]
    assert (amounts(invoice)["refunded"], balance()) == ("35.70", "0.00")
