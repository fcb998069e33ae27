"""Rows of bank statements that share a transaction id: only what agrees in all is one movement, the rest is booked."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import InvalidInput, PreconditionFailed
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.movements import bank_id
from invoicing.bank_statements.review_statement import confirm_statement, decide_row
from invoicing.choices import RowDecision
from invoicing.models import Invoice, Payment
from tests.support.clock import at
from tests.support.statements import HEADER, assert_receipts_are_clean, make_bank, matches

pytestmark = pytest.mark.django_db
ONE = "2026-03-18,50.00,EUR,INV-000001,Acme,T1"


@pytest.fixture
def bank():
    """Four invoices over 50.00 EUR, INV-000001 to INV-000004, to be paid by bank transfer."""
    app = make_bank(4)
    with clock.frozen_at(at("2026-03-20")):
        yield app


def load(bank, *rows, name="march.csv"):
    """The same rows in a file of another name are another file: it ends in other blank lines."""
    blank = ("march.csv", "later.csv", "whole.csv", "few.csv", "many.csv").index(name)
    content = HEADER + "\n".join(rows) + "\n" * blank
    return import_statement(app=bank, file_name=name, content=content.encode())


def paid():
    return [
        str(amount) for amount in Invoice.objects.exclude(number=None).order_by("number").values_list("paid", flat=True)
    ]


@pytest.mark.parametrize("id", ["NONREF", "NOTPROVIDED", "Not provided", "0", "000", "-", "", "n/a"])
def test_a_word_in_place_of_an_id_is_none(bank, id):
    statement = load(
        bank,
        f"2026-03-18,50.00,EUR,INV-000001,Acme,{id}",
        f"2026-03-18,50.00,EUR,INV-000002,Globex,{id}",
        f"2026-03-18,20.00,EUR,INV-000003,Initech,{id}",
    )
    assert [decision for _, decision, _ in matches(statement)] == ["book", "book", "open"]
    confirm_statement(statement=statement)
    assert (statement.status, paid()) == ("review", ["50.00", "50.00", "0", "0"])
    decide_row(row=statement.rows.get(position=3), decision=RowDecision.BOOK)
    confirm_statement(statement=statement)
    assert (statement.status, paid()) == ("confirmed", ["50.00", "50.00", "20.00", "0"])
    assert not Payment.objects.exclude(external_id=None).exists()
    assert_receipts_are_clean()


def test_what_an_id_is_and_what_stands_in_place_of_one():
    assert [bank_id(text) for text in ("T1", "10", "NONREF7", "NAN-1", "2026")] == [
        "T1",
        "10",
        "NONREF7",
        "NAN-1",
        "2026",
    ]


def test_the_parts_of_a_collective_transfer_are_all_booked_once_staff_say_so(bank):
    statement = load(
        bank,
        "2026-03-18,50.00,EUR,INV-000001,Acme,C9",
        "2026-03-18,70.00,EUR,INV-000002,Globex,C9",
        "2026-03-18,50.00,EUR,INV-000003,Initech,C9",
    )
    shared = "Row 1 of this file has the bank's transaction C9, too."
    assert matches(statement) == [
        ("exact", "book", ""),
        ("ambiguous", "open", shared),
        ("ambiguous", "open", shared),
    ]
    confirm_statement(statement=statement)
    assert (statement.status, paid()) == ("review", ["50.00", "0", "0", "0"])
    for row in statement.rows.filter(decision="open"):
        decide_row(row=row, decision=RowDecision.BOOK)
    confirm_statement(statement=statement)
    assert (statement.status, paid()) == ("confirmed", ["50.00", "70.00", "50.00", "0"])
    assert [p.external_id for p in Payment.objects.all()] == ["C9"] * 3
    assert_receipts_are_clean()


def test_a_row_that_is_there_twice_in_one_file_is_for_staff_who_can_book_it(bank):
    statement = load(bank, ONE, ONE)
    assert matches(statement)[1] == (
        "ambiguous",
        "open",
        "Row 1 of this file says the same: two payments, or one that is shown twice.",
    )
    confirm_statement(statement=statement)
    assert statement.status == "review"
    decide_row(row=statement.rows.get(position=2), decision=RowDecision.BOOK)
    confirm_statement(statement=statement)
    assert (statement.status, paid()[0]) == ("confirmed", "100.00")
    assert_receipts_are_clean()


def test_what_agrees_in_all_with_a_booked_row_of_another_file_is_a_duplicate(bank):
    confirm_statement(statement=load(bank, ONE))
    second = load(bank, ONE, "2026-03-19,50.00,EUR,INV-000002,Globex,T2", name="later.csv")
    assert matches(second) == [("duplicate", "skip", "It is booked: row 1 of march.csv."), ("exact", "book", "")]
    confirm_statement(statement=second)
    assert (second.status, paid()) == ("confirmed", ["50.00", "50.00", "0", "0"])


@pytest.mark.parametrize(
    "other",
    [
        "2026-03-18,70.00,EUR,INV-000001,Acme,T1",
        "2026-03-19,50.00,EUR,INV-000001,Acme,T1",
        "2026-03-18,50.00,EUR,INV-000002,Acme,T1",
        "2026-03-18,50.00,EUR,INV-000001,Globex,T1",
        "2026-03-18,50.00,USD,INV-000001,Acme,T1",
    ],
)
def test_the_same_id_on_what_differs_in_anything_is_for_staff(bank, other):
    confirm_statement(statement=load(bank, ONE))
    second = load(bank, other, name="later.csv")
    [(match, decision, note)] = matches(second)
    assert (match, decision) == ("ambiguous", "open")
    assert note.startswith("The bank's transaction T1 is also row 1 of march.csv, which differs from this row.")
    with pytest.raises(PreconditionFailed, match="1 wait for a decision"):
        confirm_statement(statement=second)
    second.refresh_from_db()
    assert second.status == "review"


def test_of_two_like_it_where_another_file_has_one_the_second_is_for_staff(bank):
    """A file of the morning has one payment; that of the whole day has two that look the same."""
    confirm_statement(statement=load(bank, ONE))
    second = load(bank, ONE, ONE, name="later.csv")
    assert [(match, decision) for match, decision, _ in matches(second)] == [
        ("duplicate", "skip"),
        ("ambiguous", "open"),
    ]
    row = second.rows.get(position=2)
    assert row.note.endswith("It is booked: row 1 of march.csv.")
    decide_row(row=row, decision=RowDecision.BOOK)
    confirm_statement(statement=second)
    assert (second.status, paid()[0]) == ("confirmed", "100.00")
    third = load(bank, ONE, ONE, name="whole.csv")
    assert [(match, decision) for match, decision, _ in matches(third)] == [("duplicate", "skip")] * 2


def test_staff_book_a_duplicate_for_a_reason_that_is_on_record(bank):
    confirm_statement(statement=load(bank, ONE))
    second = load(bank, ONE, "2026-03-18,9.00,EUR,x,y,T8", name="later.csv")
    row = second.rows.get(position=1)
    with pytest.raises(InvalidInput, match="say why it is another payment"):
        decide_row(row=row, decision=RowDecision.BOOK)
    decide_row(row=row, decision=RowDecision.BOOK, reason="The bank confirmed two transfers.")
    confirm_statement(statement=second)
    assert paid()[0] == "100.00"
    assert AuditEntry.objects.filter(verb="decide_row", reason="The bank confirmed two transfers.").count() == 1
    assert_receipts_are_clean()


def test_a_decision_that_was_made_before_the_same_was_booked_elsewhere_is_asked_for_again(bank):
    first, second = load(bank, ONE), load(bank, ONE, name="later.csv")
    assert matches(second) == [("exact", "book", "")]
    decide_row(row=second.rows.get(), decision=RowDecision.BOOK)
    confirm_statement(statement=first)
    confirm_statement(statement=second)
    row = second.rows.get()
    assert (second.status, row.match, row.decision, row.payment) == ("review", "duplicate", "open", None)
    assert row.note.startswith("The bank's transaction T1 is booked already: row 1 of march.csv.")
    decide_row(row=row, decision=RowDecision.BOOK, reason="Two transfers")
    confirm_statement(statement=second)
    assert (second.status, paid()[0]) == ("confirmed", "100.00")


def test_many_rows_are_compared_with_a_fixed_number_of_queries(bank, django_assert_num_queries):
    def rows(count, start):
        return [f"2026-03-18,1.00,EUR,x,y,U{number}" for number in range(start, start + count)]

    load(bank, *rows(30, 0))
    with django_assert_num_queries(11):
        load(bank, *rows(3, 0), name="few.csv")
    with django_assert_num_queries(11):
        load(bank, *rows(30, 0), name="many.csv")


def test_one_more_than_another_file_tells_of_is_asked_for_by_its_own_file(bank):
    row = "2026-03-18,50.00,EUR,INV-000001,Acme,NONREF"
    load(bank, row)
    first, second = matches(load(bank, row, row, name="later.csv"))
    assert "The same movement is in" in first[2]
    assert second[2].startswith("Row 1 of this file says the same")
    assert (first[1], second[1]) == ("open", "open")


def test_what_was_left_out_of_another_file_is_no_doubt(bank):
    row = "2026-03-18,50.00,EUR,INV-000001,Acme,NONREF"
    [left_out] = load(bank, row).rows.all()
    decide_row(row=left_out, decision=RowDecision.SKIP)
    assert matches(load(bank, row, name="later.csv")) == [("exact", "book", "")]
