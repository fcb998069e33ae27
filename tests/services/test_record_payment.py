"""Money that customers pay by themselves: in full, in part, and what is too much goes to their balance."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput
from invoicing.closing.close_customers import close_customers
from invoicing.errors import AlreadyRecorded, WrongInvoiceState
from invoicing.models import BalanceEntry, Invoice, Payment
from invoicing.payments.receipts import LONGEST_REFERENCE
from invoicing.payments.record_payment import record_payment
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import run_check
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice():
    make_default_profile(collection_method="send_invoice")
    customer = make_customer()
    with clock.frozen_at(at("2026-03-17")):
        record_subscription(customer=customer, plan=make_plan(), active_from=at("2026-03-17"))
        close_customers([customer.id], as_of=at("2026-03-17"))
        yield Invoice.objects.get(issued_at__isnull=False)


def test_the_whole_amount_pays_the_invoice(invoice):
    payment = record_payment(
        invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-16"), reference="Statement 12"
    )
    assert (invoice.status, str(invoice.paid), invoice.due) == ("paid", "50.00", 0)
    assert (payment.status, payment.reference, payment.attempt) == ("succeeded", "Statement 12", None)


def test_a_part_leaves_the_rest_due(invoice):
    record_payment(invoice=invoice, amount=Decimal("30.00"), received_at=at("2026-03-17"), reference="a")
    assert (invoice.status, str(invoice.paid), str(invoice.due)) == ("issued", "30.00", "20.00")
    record_payment(invoice=invoice, amount=Decimal("20.00"), received_at=at("2026-03-17"), reference="b")
    assert (invoice.status, str(invoice.paid), invoice.due) == ("paid", "50.00", 0)


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "10.005"])
def test_an_amount_that_can_not_be_is_refused(invoice, amount):
    with pytest.raises(InvalidInput, match="Nothing was recorded"):
        record_payment(invoice=invoice, amount=Decimal(amount), received_at=at("2026-03-17"), reference="")
    assert not Payment.objects.exists()


def test_a_reference_is_kept_whole_or_refused(invoice):
    """500 characters, as of a row of a bank statement."""
    with pytest.raises(InvalidInput, match="at most 500 characters; this one has 501, and would be cut"):
        record_payment(
            invoice=invoice,
            amount=Decimal("50.00"),
            received_at=at("2026-03-17"),
            reference="x" * 501,
        )
    assert not Payment.objects.exists()
    record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-17"), reference="x" * 500)
    assert Payment.objects.get().reference == "x" * 500
    assert Payment._meta.get_field("reference").max_length == LONGEST_REFERENCE


def test_a_payment_that_is_still_to_come_is_refused(invoice):
    with pytest.raises(InvalidInput, match="future"):
        record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-18"), reference="")
    assert not Payment.objects.exists()


def test_a_paid_invoice_takes_no_more(invoice):
    record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-17"), reference="")
    with pytest.raises(WrongInvoiceState, match="No payment is expected"):
        record_payment(invoice=invoice, amount=Decimal("1.00"), received_at=at("2026-03-17"), reference="")
    assert Payment.objects.count() == 1


def test_what_is_too_much_goes_to_the_balance(invoice):
    payment = record_payment(invoice=invoice, amount=Decimal("62.50"), received_at=at("2026-03-17"), reference="a")
    assert (invoice.status, str(invoice.paid), invoice.due) == ("paid", "62.50", 0)
    assert (str(invoice.moved_to_balance), str(payment.to_balance)) == ("12.50", "12.50")
    entry = BalanceEntry.objects.get()
    assert (entry.kind, str(entry.amount), entry.payment, entry.invoice) == ("overpayment", "12.50", payment, invoice)
    assert run_check(now="2026-03-17T00:01")[0] == 0


def test_the_next_invoice_uses_what_was_too_much(invoice):
    record_payment(invoice=invoice, amount=Decimal("62.50"), received_at=at("2026-03-17"), reference="a")
    with clock.frozen_at(at("2026-04-17")):
        close_customers([invoice.customer_id], as_of=at("2026-04-17"))
    second = Invoice.objects.get(issued_at=at("2026-04-17"))
    assert (str(second.applied_from_balance), str(second.due)) == ("12.50", "37.50")


def test_a_transaction_of_the_bank_is_booked_once(invoice):
    for expected in (None, AlreadyRecorded):
        try:
            record_payment(
                invoice=invoice,
                amount=Decimal("10.00"),
                received_at=at("2026-03-17"),
                reference="",
                transaction_id="TX-1",
            )
        except AlreadyRecorded as error:
            assert type(error) is expected
        else:
            assert expected is None
    assert str(invoice.paid) == "10.00"


def test_a_statement_s_money_for_a_paid_invoice_goes_to_the_balance(invoice):
    for settled_too in (False, True):
        record_payment(
            invoice=invoice,
            amount=Decimal("50.00"),
            received_at=at("2026-03-17"),
            reference="",
            settled_too=settled_too,
        )
    assert (invoice.status, str(invoice.paid), str(invoice.moved_to_balance)) == ("paid", "100.00", "50.00")
    assert run_check(now="2026-03-17T00:01")[0] == 0
