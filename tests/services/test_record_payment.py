"""Money that customers pay by themselves: in full, in part, and never more than is due."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput
from invoicing.errors import WrongInvoiceState
from invoicing.models import Invoice, Payment
from invoicing.services.close_customers import close_customers
from invoicing.services.record_payment import record_payment
from subscriptions.services.create_subscription import create_subscription
from tests.make import at, make_customer, make_default_profile, make_plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice():
    make_default_profile(collection_method="send_invoice")
    customer = make_customer()
    with clock.frozen_at(at("2026-03-17")):
        create_subscription(customer=customer, plan=make_plan(), active_from=at("2026-03-17"))
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


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "50.01", "10.005"])
def test_an_amount_that_can_not_be_is_refused(invoice, amount):
    with pytest.raises(InvalidInput, match="Nothing was recorded"):
        record_payment(invoice=invoice, amount=Decimal(amount), received_at=at("2026-03-17"), reference="")
    assert not Payment.objects.exists()


def test_a_payment_that_is_still_to_come_is_refused(invoice):
    with pytest.raises(InvalidInput, match="future"):
        record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-18"), reference="")
    assert not Payment.objects.exists()


def test_a_paid_invoice_takes_no_more(invoice):
    record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-17"), reference="")
    with pytest.raises(WrongInvoiceState, match="No payment is expected"):
        record_payment(invoice=invoice, amount=Decimal("1.00"), received_at=at("2026-03-17"), reference="")
    assert Payment.objects.count() == 1
