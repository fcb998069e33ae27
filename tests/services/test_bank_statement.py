"""A bank statement: read, matched by number and amount, reviewed, booked; and files that can't be read."""

import pytest

from core import clock
from core.errors import InvalidInput, PreconditionFailed
from customers.models import BillingApp
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.review_statement import confirm_statement, decide_row, discard_statement
from invoicing.choices import RowDecision
from invoicing.errors import AlreadyRecorded, AppNotUsable
from invoicing.models import BankStatement, BankStatementRow, Invoice, Payment
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.statements import HEADER, load, make_bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank():
    """Four invoices over 50.00 EUR, INV-000001 to INV-000004, to be paid by bank transfer."""
    app = make_bank(4)
    with clock.frozen_at(at("2026-03-20")):
        yield app


def matches(statement):
    return [(row.match, row.decision, str(row.invoice or "")) for row in statement.rows.order_by("position")]


def test_rows_are_matched_by_number_and_amount(bank):
    statement = load(
        bank,
        "2026-03-18,50.00,EUR,Thanks for inv 1,Acme,T1",
        "2026-03-18,30.00,EUR,INV-000002,Globex,T2",
        "2026-03-18,70.00,EUR,INV000003,Initech,T3",
        "2026-03-18,50.00,EUR,Invoice of March,Hooli,T4",
        "2026-03-18,50.00,EUR,INV-1 and INV-2,Acme,T5",
        "2026-03-18,12.00,EUR,Refund of a chair,Shop,T6",
        "2026-03-18,-9.90,EUR,Account fee,Bank,T7",
        "2026-03-18,50.00,USD,INV-000004,Umbrella,T8",
        "2026-03-18,50.00,EUR,INV-000001,Acme,T1",
    )
    assert matches(statement) == [
        ("exact", "book", "INV-000001"),
        ("partial", "open", "INV-000002"),
        ("over", "open", "INV-000003"),
        ("ambiguous", "open", ""),
        ("ambiguous", "open", ""),
        ("unmatched", "open", ""),
        ("outgoing", "skip", ""),
        ("unmatched", "open", ""),
        ("ambiguous", "open", "INV-000001"),
    ]
    assert not Payment.objects.exists()


def test_confirmed_rows_are_booked_once_and_the_rest_waits(bank):
    statement = load(
        bank,
        "2026-03-18,50.00,EUR,INV-000001,Acme,T1",
        "2026-03-18,30.00,EUR,INV-000002,Globex,T2",
        "2026-03-18,70.00,EUR,INV-000003,Initech,T3",
    )
    confirm_statement(statement=statement)
    assert (statement.status, Payment.objects.count()) == ("review", 1)
    for row in statement.rows.filter(decision="open"):
        decide_row(row=row, decision=RowDecision.BOOK)
    confirm_statement(statement=statement)
    assert statement.status == "confirmed"
    booked = [(str(p.invoice), str(p.amount), str(p.to_balance), p.external_id) for p in Payment.objects.order_by("id")]
    assert booked == [
        ("INV-000001", "50.00", "0.00", "T1"),
        ("INV-000002", "30.00", "0.00", "T2"),
        ("INV-000003", "70.00", "20.00", "T3"),
    ]
    with pytest.raises(PreconditionFailed, match="not under review"):
        confirm_statement(statement=statement)
    assert run_check("--only", "7", now="2026-03-20T00:01")[0] == 0


def test_a_row_without_a_match_is_given_its_invoice_by_staff(bank):
    statement = load(bank, "2026-03-18,50.00,EUR,March,Umbrella,T1")
    row = statement.rows.get()
    with pytest.raises(InvalidInput, match="needs an issued invoice"):
        decide_row(row=row, decision=RowDecision.BOOK)
    first = Invoice.objects.get(number="INV-000004")
    decide_row(row=row, decision=RowDecision.BOOK, invoice=first)
    confirm_statement(statement=statement)
    first.refresh_from_db()
    assert first.status == "paid"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"day,sum\n2026-03-18,1\n", "Missing: date, amount, currency, reference. Unknown: day, sum"),
        (b"", "Missing: date"),
        (b"\xff\xfe", "not UTF-8"),
        (HEADER.encode(), "no rows"),
        (HEADER.encode() + b"18.3.2026,1.00,EUR,x,,\n", "Line 2: '18.3.2026' is no date"),
        (HEADER.encode() + b'2026-03-18,"1.000,00",EUR,x,,\n', "Line 2: '1.000,00' is no amount"),
        (HEADER.encode() + b"2026-03-18,1.005,EUR,x,,\n", "more than 2 places"),
        (HEADER.encode() + b"2026-03-18,1.00,EURO,x,,\n", "no currency"),
    ],
)
def test_a_file_that_cant_be_read_is_refused_whole(bank, content, says):
    with pytest.raises(InvalidInput, match=says) as refused:
        import_statement(app=bank, file_name="x.csv", content=content)
    assert "Nothing was imported" in refused.value.message
    assert not BankStatement.objects.exists()
    assert not BankStatementRow.objects.exists()


def test_the_same_file_is_imported_once_unless_it_was_discarded(bank):
    row = "2026-03-18,50.00,EUR,INV-000001,Acme,T1"
    statement = load(bank, row)
    with pytest.raises(AlreadyRecorded, match=r"march\.csv"):
        load(bank, row)
    discard_statement(statement=statement, reason="Wrong account")
    load(bank, row)
    assert BankStatement.objects.count() == 2


def test_an_app_that_takes_no_transfers_takes_no_statement(bank):
    sandbox = BillingApp.objects.create(type="sandbox", name="Sandbox")
    with pytest.raises(AppNotUsable, match="no bank transfers"):
        load(sandbox, "2026-03-18,50.00,EUR,INV-000001,Acme,T1")
