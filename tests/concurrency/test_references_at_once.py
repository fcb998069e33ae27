"""A parent that is deleted while a child comes: one of the two is refused, whichever began first."""

import pytest
from django.db import transaction

from customers.models import Customer
from invoicing.models import BillingRun, Invoice
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.in_turn import elsewhere, in_turn

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


def test_while_an_invoice_is_made_its_customer_may_change_and_get_another(customer):
    """Only deletion waits: a close holds up nobody who edits what it refers to, nor a second close."""
    with transaction.atomic():
        add_invoice(customer)()
        elsewhere(lambda: Customer.objects.filter(pk=customer.pk).update(name="Renamed"), at_once=True)
        elsewhere(
            lambda: Invoice.objects.create(customer_id=customer.pk, currency="USD", status="gathering"), at_once=True
        )
    assert Invoice.objects.count() == 2


def test_while_an_invoice_gets_another_run_that_run_may_change_and_get_another(customer):
    """As above, where the reference is changed."""
    run = BillingRun.objects.create(as_of=at("2026-04-01"), trigger="clock")
    invoice = Invoice.objects.create(customer_id=customer.pk, currency="EUR", status="gathering")
    other = Invoice.objects.create(customer_id=customer.pk, currency="USD", status="gathering")
    with transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk).update(run=run)
        elsewhere(lambda: BillingRun.objects.filter(pk=run.pk).update(started_by="Ann"), at_once=True)
        elsewhere(lambda: Invoice.objects.filter(pk=other.pk).update(run=run), at_once=True)
    assert run.invoices.count() == 2


def test_a_run_that_is_being_deleted_is_not_given_to_an_invoice(customer):
    run = BillingRun.objects.create(as_of=at("2026-04-01"), trigger="clock")
    invoice = Invoice.objects.create(customer_id=customer.pk, currency="EUR", status="gathering")
    answers = in_turn(
        lambda: BillingRun.objects.filter(pk=run.pk)._raw_delete("default"),
        lambda: Invoice.objects.filter(pk=invoice.pk).update(run=run),
    )
    assert answers == ("stored", "invoicing_invoice.run_id refers to a row that invoicing_billingrun lacks.")
