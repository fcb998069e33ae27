"""How many statements a close sends to the database: as many for thirty customers as for three."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import Cursor

from benchmarks.customers import make_customers, months_later
from core import clock
from invoicing.choices import RunTrigger
from invoicing.models import Invoice
from invoicing.runs import work_shard
from invoicing.runs.run_due import close_now

pytestmark = pytest.mark.django_db


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements sent inside the block, with the COPYs, which Django's own counting leaves out."""
    sent: list[str] = []
    copy = Cursor.copy

    def counted_copy(cursor: Any, statement: str) -> Any:
        sent.append(statement)
        return copy(cursor, statement)

    def counted(execute: Any, statement: str, *rest: Any) -> Any:
        sent.append(statement)
        return execute(statement, *rest)

    with monkeypatch.context() as patch, connection.execute_wrapper(counted):
        patch.setattr(Cursor, "copy", counted_copy)
        yield sent


def statements_of_close(monkeypatch: pytest.MonkeyPatch, customers: int) -> list[str]:
    """What the close of a month sends for so many customers, each with two lines to bill. Nothing of it stays."""
    with transaction.atomic():
        make_customers(customers, history=1)
        moment = months_later(2)
        with clock.frozen_at(moment), counting(monkeypatch) as sent:
            close_now(as_of=moment, trigger=RunTrigger.SCHEDULE)
        assert Invoice.objects.filter(issued_at=moment, status="paid").count() == customers
        transaction.set_rollback(True)
    return sent


def test_a_close_sends_as_many_statements_for_thirty_customers_as_for_three(monkeypatch):
    for_three = statements_of_close(monkeypatch, 3)
    for_thirty = statements_of_close(monkeypatch, 30)
    assert len(for_thirty) == len(for_three)


def test_a_close_of_a_thousand_customers_sends_at_most_a_fifth_of_a_statement_for_each(monkeypatch):
    # What is sent depends on the number of batches: forty customers in tens make as many as a thousand in the usual.
    batches = 4
    assert batches * work_shard.BATCH_SIZE == 1000
    monkeypatch.setattr(work_shard, "BATCH_SIZE", 10)
    sent = statements_of_close(monkeypatch, batches * 10)
    assert len(sent) / 1000 <= 0.2
