"""Find anything: payments by their reference, credit notes, refunds; by indexes, with few queries for many rows."""

from decimal import Decimal

import pytest
from django.db import connection

from core import clock
from invoicing.models import Payment, Refund
from invoicing.payments.record_payment import record_payment
from invoicing.payments.refund import refund_invoice
from tests.admin.test_lists import queries
from tests.admin.test_receipts_and_credits import make_credit_note
from tests.admin.test_start_page import SEARCH
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import START, make_issued, make_many
from tests.support.desk import list_url, page_url
from tests.support.statements import imported, make_bank, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(db):
    """50.00 EUR for INV-000001, which the bank calls TX-9001."""
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        return record_payment(
            invoice=invoice, amount=Decimal("62.50"), received_at=START, reference="March", transaction_id="TX-9001"
        )


@pytest.mark.parametrize("term", ["March", "TX-9001", "re_1"])
def test_a_payment_is_found_by_reference_bank_transaction_and_refund(clerk, payment, term):
    Refund.objects.create(
        payment=payment, invoice=payment.invoice, amount=1, from_balance=1, currency="EUR", status="succeeded",
        external_id="re_1",
    )  # fmt: skip
    found = clerk.read(SEARCH + term)
    assert page_url(payment) in found
    assert "62.50 EUR for INV-000001" in found
    assert "Acme" in found


def test_a_credit_note_is_found_by_its_number_in_either_case(clerk):
    note = make_credit_note(make_issued())
    assert page_url(note) in clerk.read(SEARCH + "cn-000001")


def test_a_search_asks_the_same_for_thirty_of_everything_as_for_three(billing_admin):
    plan = make_excess_plan()
    terms = ["INV-000001", "50.00", "Customer", "billing@acme.example", "nothing-like-it"]

    def measured():
        return [queries(billing_admin, SEARCH + term) for term in terms]

    make_many(3, plan)
    few = measured()
    make_many(27, plan, first=3)
    assert measured() == few
    assert max(few) <= 15


@pytest.mark.parametrize("column", ["reference", "external_id"])
def test_a_payment_is_looked_up_by_an_index(payment, column):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Payment.objects.filter(**{column: "TX-9001"}).order_by().explain()
    assert f"payment_by_{column}" in plan or "external_payment_recorded_once" in plan


def test_the_whole_timeline_of_a_customer_is_a_page_of_its_own(clerk, payment):
    customer = payment.invoice.customer
    url = f"/admin/customers/customer/{customer.pk}/history/"
    assert url in clerk.read(page_url(customer))
    page = clerk.read(url)
    assert "recorded a payment of 62.50 EUR for INV-000001" in page
    assert "what changed" in page
    assert "March" in page


def test_a_payment_has_a_page_with_its_statement_row_and_what_was_given_back(clerk):
    bank = make_bank(1)
    with clock.frozen_at(at("2026-03-20")):
        statement = imported(clerk, bank, "2026-03-18,62.50,EUR,INV-000001,Customer 000 Ltd,TX-1")
        row = statement.rows.get()
        clerk.post(page_of("book", statement), {"row": [str(row.pk)], "confirmed": "yes", "reason": ""})
        paid = Payment.objects.get()
        refund_invoice(invoice=paid.invoice, amount=Decimal("2.50"), reason="Paid too much")
        page = clerk.read(page_url(paid))
    for words in ("TX-1", "march.csv", "row 1", "Paid too much", "-2.50", "To the balance", "INV-000001"):
        assert words in page, words
    assert queries(clerk, page_url(paid)) <= 12


def test_payments_are_listed_by_what_came_of_them(clerk):
    declined = make_issued(decline=True).payments.get()
    for state, count in (("failed", 1), ("succeeded", 0), ("open", 0)):
        assert clerk.get(f"{list_url(Payment)}?state={state}").context["cl"].result_count == count
    Payment.objects.filter(pk=declined.pk).update(status="unknown")
    assert clerk.get(f"{list_url(Payment)}?state=open").context["cl"].result_count == 1


@pytest.mark.parametrize("term", ["inv 1", "INV000001", "inv-1", "INV 000001"])
def test_a_number_is_found_however_it_is_written(clerk, payment, term):
    assert page_url(payment.invoice) in clerk.read(SEARCH + term)


def test_an_amount_with_a_comma_before_its_cents_is_not_a_hundred_times_as_much(clerk):
    invoice = make_issued(collection_method="send_invoice")
    assert page_url(invoice) in clerk.read(SEARCH + "50.00")
    assert page_url(invoice) not in clerk.read(SEARCH + "0,50.00")
    assert page_url(invoice) not in clerk.read(SEARCH + "5,0")
