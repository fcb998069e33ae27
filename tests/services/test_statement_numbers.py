"""Statements of suppliers whose numbers begin alike: money goes to the invoice that is named, else staff are asked."""

import pytest

from core import clock
from customers.models import BillingApp, Supplier
from invoicing.bank_statements.import_statement import import_statement
from invoicing.models import BankStatement, BankStatementRow, Invoice, NumberSeries
from subscriptions.models import Plan
from tests.support.clock import at
from tests.support.closing import make_many
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db

HEADER = "date,amount,currency,reference,payer,transaction_id\n"


@pytest.fixture
def bank():
    """ACME-000001 to ACME-000029 and ACME2-000001 to ACME2-000002, over 50.00 EUR each."""
    app = BillingApp.objects.create(type="bank_transfer", name="Bank")
    profile = make_default_profile(app=app, collection_method="send_invoice")
    Supplier.objects.filter(pk=profile.supplier_id).update(invoice_prefix="ACME", credit_note_prefix="ACMECN")
    make_many(29)
    second = Supplier.objects.create(
        key="second", name="Second", country="US", invoice_prefix="ACME2", credit_note_prefix="ACME2CN"
    )
    make_default_profile(supplier=second)
    make_many(2, Plan.objects.get(), first=29)
    with clock.frozen_at(at("2026-03-20")):
        yield app


def found(bank, reference):
    line = f"2026-03-18,50.00,EUR,{reference},Acme,T{BankStatement.objects.count()}"
    statement = import_statement(app=bank, file_name="march.csv", content=(HEADER + line).encode())
    [row] = statement.rows.all()
    return row.match, row.decision, str(row.invoice or ""), row.note


@pytest.mark.parametrize("reference", ["ACME2-000001", "acme2 000001", "ACME2000001", "Acme2/000001 with thanks"])
def test_a_number_is_that_of_the_longest_prefix_however_the_bank_wrote_it(bank, reference):
    assert found(bank, reference) == ("exact", "book", "ACME2-000001", "")


def test_a_mistyped_number_is_on_nobody_elses_invoice(bank):
    assert found(bank, "ACME2-000009") == ("ambiguous", "open", "", "31 open invoices have this amount.")


def test_a_short_number_that_can_be_read_in_two_ways_is_for_staff(bank):
    assert found(bank, "ACME21") == ("ambiguous", "open", "", "It names ACME2-000001, ACME-000021.")
    assert found(bank, "ACME29") == (
        "ambiguous",
        "open",
        "ACME-000029",
        "It rather names ACME2-000009, which is no invoice of ours.",
    )


def test_where_both_readings_exist_in_full_staff_are_asked(bank):
    series = NumberSeries.objects.get(prefix="ACME", kind="invoice")
    series.next_number = 2_000_001
    series.save()
    make_default_profile(supplier=series.supplier)
    make_many(1, Plan.objects.get(), first=31)
    assert Invoice.objects.filter(number="ACME-2000001").exists()
    assert found(bank, "ACME2000001")[:2] == ("ambiguous", "open")
    assert found(bank, "ACME-2000001") == ("exact", "book", "ACME-2000001", "")
    assert found(bank, "ACME2-000001") == ("exact", "book", "ACME2-000001", "")


def test_several_numbers_behind_one_prefix_are_for_staff(bank):
    assert found(bank, "ACME-000001/000002") == ("ambiguous", "open", "", "It names ACME-000001, ACME-000002.")
    assert BankStatementRow.objects.get().payment is None
