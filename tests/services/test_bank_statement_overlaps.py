"""Statements that overlap, that two people work on at once, and files that only look right: money is booked once."""

import threading
import time
from decimal import Decimal

import pytest
from django.db import transaction

from core import clock
from core.errors import BillingError, InvalidInput
from customers.models import BillingApp
from invoicing.bank_statements import review_statement as review
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.review_statement import confirm_statement, decide_row, discard_statement
from invoicing.choices import RowDecision
from invoicing.errors import AlreadyRecorded
from invoicing.models import BalanceEntry, BankStatement, BankStatementRow, Invoice, Payment
from invoicing.payments.record_payment import record_payment
from subscriptions.models import Plan
from tests.support.clock import at
from tests.support.closing import make_many
from tests.support.crowd import at_once
from tests.support.customers import make_default_profile
from tests.support.statements import HEADER, assert_receipts_are_clean, load, make_bank, matches

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = at("2026-03-20")


@pytest.fixture
def bank():
    """Four invoices over 50.00 EUR, INV-000001 to INV-000004, to be paid by bank transfer."""
    app = make_bank(4)
    with clock.frozen_at(TODAY):
        yield app


def pay(invoice):
    record_payment(invoice=invoice, amount=invoice.due, received_at=TODAY, reference="cash")


def test_a_movement_that_another_file_has_too_is_not_booked_again_by_itself(bank):
    """Two files overlap by a day, and the bank gives no transaction ids: the half of an invoice is paid once."""
    half = "2026-03-18,25.00,EUR,INV-000001,Acme,"
    first = load(bank, half)
    decide_row(row=first.rows.get(), decision=RowDecision.BOOK)
    confirm_statement(statement=first)
    second = load(bank, half, "2026-03-19,50.00,EUR,INV-000002,Globex,", name="later.csv")
    assert matches(second) == [
        ("ambiguous", "open", "The same movement is in march.csv."),
        ("exact", "book", ""),
    ]
    confirm_statement(statement=second)
    assert [str(amount) for amount in Payment.objects.order_by("id").values_list("amount", flat=True)] == [
        "25.00",
        "50.00",
    ]
    # Staff know that the customer paid twice a half.
    decide_row(row=second.rows.get(position=1), decision=RowDecision.BOOK)
    confirm_statement(statement=second)
    assert Invoice.objects.get(number="INV-000001").status == "paid"
    assert_receipts_are_clean()


def test_a_movement_that_waits_for_review_in_another_file_is_not_booked_by_itself_either(bank):
    row = "2026-03-18,50.00,EUR,INV-000001,Acme,"
    load(bank, row)
    second = load(bank, row, "2026-03-19,50.00,EUR,INV-000002,Globex,", name="later.csv")
    assert [decision for _, decision, _ in matches(second)] == ["open", "book"]


def test_movements_that_only_look_alike_are_told_apart_by_the_banks_ids(bank):
    first = load(bank, "2026-03-18,25.00,EUR,INV-000001,Acme,T1")
    decide_row(row=first.rows.get(), decision=RowDecision.BOOK)
    confirm_statement(statement=first)
    second = load(bank, "2026-03-18,25.00,EUR,INV-000001,Acme,T2", name="later.csv")
    assert matches(second) == [("exact", "book", "")]


def test_a_discarded_or_skipped_movement_is_no_twin(bank):
    row = "2026-03-18,50.00,EUR,INV-000001,Acme,"
    discard_statement(statement=load(bank, row), reason="Wrong account")
    skipped = load(bank, row, "2026-03-18,1.00,EUR,x,y,")
    decide_row(row=skipped.rows.get(position=1), decision=RowDecision.SKIP)
    assert matches(load(bank, row, name="again.csv")) == [("exact", "book", "")]


def test_one_transaction_in_two_files_pays_one_of_two_invoices_of_different_apps(bank):
    """Both files were imported before either was booked, and staff chose another invoice for the second."""
    other = BillingApp.objects.create(type="bank_transfer", name="Other bank")
    make_default_profile(app=other)
    make_many(1, Plan.objects.get(), first=4)
    first = load(bank, "2026-03-18,50.00,EUR,INV-000001,Acme,T1")
    second = load(bank, "2026-03-18,50.00,EUR,March,Acme,T1", name="later.csv")
    decide_row(row=second.rows.get(), decision=RowDecision.BOOK, invoice=Invoice.objects.get(number="INV-000005"))
    confirm_statement(statement=first)
    confirm_statement(statement=second)
    assert Payment.objects.count() == 1
    row = second.rows.get()
    assert (row.payment_id, row.note.split(":")[0]) == (None, "The bank's transaction T1 is booked already")
    assert second.status == "review"
    assert_receipts_are_clean()


def test_two_banks_may_number_their_transactions_alike(bank):
    other = BillingApp.objects.create(type="bank_transfer", name="Other bank")
    confirm_statement(statement=load(bank, "2026-03-18,50.00,EUR,INV-000001,Acme,1"))
    second = load(other, "2026-03-18,50.00,EUR,INV-000002,Globex,1")
    assert matches(second) == [("exact", "book", "")]
    confirm_statement(statement=second)
    assert sorted(Invoice.objects.filter(status="paid").values_list("number", flat=True)) == [
        "INV-000001",
        "INV-000002",
    ]
    assert_receipts_are_clean()


def test_two_rows_of_a_file_that_pay_one_invoice_are_not_both_booked_by_themselves(bank):
    statement = load(bank, *(f"2026-03-1{n},50.00,EUR,INV-000001,Acme,T{n}" for n in (7, 8)))
    assert matches(statement) == [
        ("exact", "book", ""),
        ("ambiguous", "open", "Another row of this file pays it already."),
    ]


def test_a_statement_with_booked_rows_is_not_put_away(bank):
    statement = load(bank, "2026-03-18,50.00,EUR,INV-000001,Acme,T1", "2026-03-18,9.00,EUR,Who,knows,T2")
    confirm_statement(statement=statement)
    with pytest.raises(BillingError, match="are booked"):
        discard_statement(statement=statement, reason="Wrong account")
    statement.refresh_from_db()
    assert statement.status == "review"


def test_of_people_who_import_one_file_at_once_one_does(bank):
    def bring():
        try:
            return load(bank, "2026-03-18,50.00,EUR,INV-000001,Acme,T1").status
        except AlreadyRecorded:
            return "imported before"

    assert sorted(at_once(bring, bring, bring)) == ["imported before", "imported before", "review"]
    assert BankStatementRow.objects.count() == 1


def test_an_amount_alone_never_points_at_another_accounts_invoice(bank):
    other = BillingApp.objects.create(type="bank_transfer", name="Other bank")
    make_default_profile(app=other)
    make_many(1, Plan.objects.get(), first=4)
    for number in range(1, 4):
        pay(Invoice.objects.get(number=f"INV-00000{number}"))
    statement = load(bank, "2026-03-18,50.00,EUR,March,Acme,T9")
    row = statement.rows.get()
    assert (row.match, str(row.invoice)) == ("amount_only", "INV-000004")


def test_what_is_booked_tomorrow_by_the_banks_clock_is_received_now(bank):
    confirm_statement(statement=load(bank, "2026-03-21,50.00,EUR,INV-000001,Acme,T1"))
    assert Payment.objects.get().received_at == TODAY


def test_two_people_who_confirm_at_once_book_each_row_once(bank):
    statement = load(bank, *(f"2026-03-18,50.00,EUR,INV-00000{n},Acme,T{n}" for n in range(1, 5)))

    def confirm():
        try:
            return confirm_statement(statement=BankStatement.objects.get(pk=statement.pk)).status
        except BillingError as error:
            return error.code

    assert set(at_once(*[confirm] * 3)) <= {"confirmed", "statement_closed"}
    assert Payment.objects.count() == 4
    assert not BalanceEntry.objects.exists()
    assert_receipts_are_clean()


def test_a_statement_that_is_discarded_while_it_is_confirmed_books_nothing(bank, monkeypatch):
    statement = load(bank, "2026-03-18,50.00,EUR,INV-000001,Acme,")
    begun, discarded = threading.Event(), threading.Event()
    book = review._book

    def late(*arguments):
        begun.set()
        discarded.wait(timeout=30)
        book(*arguments)

    monkeypatch.setattr(review, "_book", late)

    def confirm():
        with pytest.raises(BillingError, match="not under review: Discarded"):
            confirm_statement(statement=statement)

    def discard():
        begun.wait(timeout=30)
        discard_statement(statement=BankStatement.objects.get(pk=statement.pk), reason="Wrong account")
        discarded.set()

    at_once(confirm, discard)
    assert not Payment.objects.exists()
    assert Invoice.objects.get(number="INV-000001").status == "issued"


def test_money_that_arrives_otherwise_while_a_statement_is_booked_goes_to_the_balance(bank):
    statement = load(bank, "2026-03-18,50.00,EUR,INV-000001,Acme,T1")
    invoice = Invoice.objects.get(number="INV-000001")
    held = threading.Event()

    def by_hand():
        with transaction.atomic():
            record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=TODAY, reference="cash")
            held.set()
            time.sleep(0.5)

    def confirm():
        held.wait(timeout=30)
        return confirm_statement(statement=statement).status

    assert at_once(by_hand, confirm)[1] == "confirmed"
    invoice.refresh_from_db()
    assert (str(invoice.paid), str(invoice.due), str(invoice.moved_to_balance)) == ("100.00", "0.00", "50.00")
    assert_receipts_are_clean()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEADER + "2026-03-18,1.000,EUR,INV-000001,Acme,T1\n", "Line 2: 1.000 EUR has more than 2 places"),
        (HEADER + '2026-03-18,50.00,EUR,"INV-000001,Acme,T1\n2026-03-18,50.00,EUR,INV-000002,x,T2\n', "no CSV"),
        (HEADER + f'2026-03-18,50.00,EUR,"{"x" * 140_000}",Acme,T1\n', "no CSV"),
        (HEADER + "2026-03-22,50.00,EUR,INV-000001,Acme,T1\n", "2026-03-22, which is still to come"),
        (HEADER + "2026-03-18,50.00,EUR,INV-000001,Acme,T1,more\n", "more cells than there are columns"),
        (HEADER + "2026-03-18,1e3,EUR,INV-000001,Acme,T1\n", "'1e3' is no amount"),
        (HEADER + "2026-03-18,٥٠,EUR,INV-000001,Acme,T1\n", "is no amount"),
        (HEADER + "2026-03-18,50.00,eur,INV-000001,Acme,T1\n", "'eur' is no currency"),
        (
            "date;amount;currency;reference\n2026-03-18;50,00;EUR;INV-000001\n",
            "Line 2: '50,00' is no amount like 1234.56",
        ),
        ("date,amount,currency,reference,date\n2026-03-18,1.00,EUR,x,2026-03-18\n", "The columns must be"),
        (HEADER + "2026-03-18,1.00,EUR,x,y,z\n" * 5001, "more than 5000 rows"),
        (HEADER.replace("date", "\ufeffday"), "Missing: date"),
    ],
)
def test_a_file_that_only_looks_right_is_refused_whole(bank, content, says):
    with pytest.raises(InvalidInput, match=says) as refused:
        import_statement(app=bank, file_name="x.csv", content=content.encode())
    assert "Nothing was imported" in refused.value.message
    assert not BankStatementRow.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffdate;amount;currency;reference\r\n2026-03-18;50.00;EUR;INV-000001\r\n",
        "\ufeffReference,Currency,Amount,Date\n INV-000001 , EUR , 50.00 , 2026-03-18 \n",
        'amount,date,currency,reference\n50,2026-03-21,EUR,"inv 1;\nthanks, ""Acme"""\n',
    ],
)
def test_files_as_banks_and_spreadsheets_write_them_are_read(bank, content):
    statement = import_statement(app=bank, file_name="x.csv", content=content.encode())
    [row] = statement.rows.all()
    assert (row.match, str(row.amount), str(row.invoice)) == ("exact", "50.00", "INV-000001")
