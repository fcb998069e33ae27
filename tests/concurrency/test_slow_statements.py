"""A statement that takes too long stops only what it is about; a database that is away stops all."""

import uuid

import pytest
from django.db import OperationalError, connection, transaction

from core import clock
from core.batches import together_or_alone
from invoicing.books.check import Invariant, _findings
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.gateways.base import ChargeOutcome, RefundOutcome
from invoicing.models import Refund
from invoicing.payments import collect_remotely, refund
from invoicing.payments.collect_remotely import Started

pytestmark = pytest.mark.django_db(transaction=True)

TOO_LONG = "SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)"
AWAY = "SELECT pg_terminate_backend(pg_backend_pid())"


@transaction.atomic
def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_one_of_a_batch_that_takes_too_long_fails_alone():
    good, slow, other = (uuid.UUID(int=number) for number in range(3))

    def act(ids):
        if slow in ids:
            run(TOO_LONG)
        return ("done", *ids)

    def fail(one, error):
        return "failed", one, "statement timeout" in str(error)

    assert together_or_alone([good, other], act=act, fail=fail) == [("done", good, other)]
    assert together_or_alone([good, slow, other], act=act, fail=fail) == [
        ("done", good),
        ("failed", slow, True),
        ("done", other),
    ]


def test_a_database_that_is_away_fails_nobody():
    with pytest.raises(OperationalError, match="terminating connection"):
        together_or_alone([uuid.uuid4()], act=lambda ids: run(AWAY), fail=lambda one, error: pytest.fail("blamed"))


@pytest.fixture
def booking(monkeypatch):
    """What was booked, by a booking whose first statement is the one that is given for each id."""
    booked: list[uuid.UUID] = []
    statements: dict[uuid.UUID, str] = {}

    def book(outcome, as_of, payment_id=None, refund_id=None):
        run(statements.get(payment_id or refund_id, "SELECT 1"))
        booked.append(payment_id or refund_id)

    monkeypatch.setattr(collect_remotely, "book_outcome", book)
    monkeypatch.setattr(refund, "book_refund", book)
    return booked, statements


def test_an_answer_that_takes_too_long_to_book_keeps_no_other_from_its_invoice(booking):
    booked, statements = booking
    charges = [uuid.UUID(int=number) for number in range(3)]
    statements[charges[1]] = TOO_LONG
    outcome = ChargeOutcome(PaymentStatus.SUCCEEDED, "pi_1")
    started = [Started(one, app=None, request=None) for one in charges]

    collect_remotely.book_each(started, [outcome] * 3, as_of=clock.now())
    assert booked == [charges[0], charges[2]]

    statements[charges[1]] = AWAY
    with pytest.raises(OperationalError, match="terminating connection"):
        collect_remotely.book_each(started, [outcome] * 3, as_of=clock.now())
    assert booked == [charges[0], charges[2], charges[0]]


def test_a_refund_that_takes_too_long_to_book_is_asked_about_again(booking):
    booked, statements = booking
    row = Refund(pk=uuid.UUID(int=1))
    outcome = RefundOutcome(RefundStatus.SUCCEEDED, "re_1")
    statements[row.pk] = TOO_LONG
    refund._book(row, outcome, clock.now())
    assert booked == []
    statements[row.pk] = AWAY
    with pytest.raises(OperationalError, match="terminating connection"):
        refund._book(row, outcome, clock.now())


def test_a_check_of_the_books_that_takes_too_long_is_a_finding_of_its_own():
    def findings(statement):
        def look(exam):
            run(statement)
            yield from ()

        return [finding.problem for finding in _findings(Invariant(1, "", "", look), None)]

    assert "statement timeout" in findings(TOO_LONG)[0]
    with pytest.raises(OperationalError, match="terminating connection"):
        findings(AWAY)
