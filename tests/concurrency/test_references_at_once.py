"""A parent that is deleted while a child comes: one of the two is refused, whichever began first."""

import pytest

from customers.models import Customer
from invoicing.models import Invoice
from tests.support.customers import make_customer
from tests.support.in_turn import in_turn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customer(db):
    customer = make_customer()
    customer.usage_subjects.all()._raw_delete("default")
    return customer


def add_invoice(customer):
    return lambda: Invoice.objects.create(customer_id=customer.pk, currency="EUR", status="gathering")


def delete(customer):
    return lambda: Customer.objects.filter(pk=customer.pk)._raw_delete("default")


def test_an_invoice_for_a_customer_who_is_being_deleted_is_refused(customer):
    answers = in_turn(delete(customer), add_invoice(customer))
    assert answers == ("stored", "invoicing_invoice.customer_id refers to a row that customers_customer lacks.")
    assert (Customer.objects.count(), Invoice.objects.count()) == (0, 0)


def test_a_customer_for_whom_an_invoice_is_being_made_is_not_deleted(customer):
    answers = in_turn(add_invoice(customer), delete(customer))
    assert answers[0] == "stored"
    assert answers[1] == "A row of customers_customer can't be deleted: invoicing_invoice.customer_id refers to it."
    assert (Customer.objects.count(), Invoice.objects.count()) == (1, 1)
