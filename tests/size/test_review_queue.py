"""The queue of drafts that wait for approval, at 100,000 of them: a page reads a page, and a count stops."""

import time
from uuid import UUID

import pytest
from django.db import connection, transaction

from core import clock
from customers.models import Customer
from invoicing.drafts.judge_drafts import BATCH_SIZE, judge_drafts
from invoicing.models import DraftInReview, Invoice, InvoiceLine
from subscriptions.models import Subscription
from tests.support.clock import at
from tests.support.closing import make_draft
from tests.support.desk import Desk, list_url
from tests.support.house_at_size import id_of, known_id, multiply, without_triggers
from tests.support.plans import recorded_plans

ROWS = 100_000
QUEUE = list_url(DraftInReview)
NOW = at("2026-03-18")

# One in ten is unusual, and one in a thousand comes to nothing.
_FOUND = """CASE WHEN n % 1000 = 0 THEN '[{"kind": "zero"}]'::jsonb
    WHEN n % 10 = 0 THEN '[{"kind": "first"}]'::jsonb ELSE '[]'::jsonb END"""
_RANK = "CASE WHEN n % 1000 = 0 THEN 8 WHEN n % 10 = 0 THEN 3 ELSE 0 END"


@pytest.fixture(scope="module")
def drafts(django_db_setup, django_db_blocker):
    """100,000 customers with a draft over 50.00 each; nothing of it stays."""
    with django_db_blocker.unblock(), transaction.atomic():
        draft = make_draft()
        with without_triggers():
            multiply(draft.customer, ROWS, key="'c' || n", name="'Customer ' || n")
            multiply(Subscription.objects.get(), ROWS, customer_id=id_of(Customer))
            multiply(draft, ROWS, customer_id=id_of(Customer), anomalies=_FOUND, anomaly_rank=_RANK)
            line = InvoiceLine.objects.get(invoice=draft)
            multiply(line, ROWS, invoice_id=id_of(Invoice), subscription_id=id_of(Subscription))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        yield draft
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("query", "at_most"),
    [
        # A page of 50 with its customers, and a count up to 10,001.
        ("", 11_500),
        ("?p=3", 11_500),
        ("?waits=approver", 11_500),
        ("?unusual=any", 11_500),
        # One in ten is looked through for those that are one in a thousand.
        ("?unusual=zero", 25_000),
        ("?unusual=none&currency=EUR", 25_000),
    ],
)
def test_a_page_of_the_queue_reads_little(drafts, db, query, at_most):
    desk = Desk("Auditor", f"auditor{abs(hash(query))}")
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        page = desk.read(f"{QUEUE}{query}")
    assert "Draft of " in page
    of_invoices = [sql for sql, _ in recorder.seen if "invoicing_invoice" in sql]
    assert len(of_invoices) <= 3
    assert recorder.rows_read < at_most, recorder.rows_read


def test_the_start_page_counts_them_with_one_query(drafts, db):
    desk = Desk("Auditor", "starter")
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        tiles = {tile.label: tile for tile in desk.get("/admin/").context["tiles"]}
    assert tiles["To approve"].count == ROWS + 1
    assert tiles["To approve"].hint == "drafts that wait for an approver, 10,000 unusual"
    assert len([sql for sql, _ in recorder.seen if '"anomaly_rank" >' in sql]) == 1


def test_a_batch_of_250_is_judged_in_little_time(drafts, db):
    """What is read of each does not grow with what others have."""
    ids = [UUID(known_id(Invoice, number)) for number in range(1, BATCH_SIZE + 1)]
    started = time.monotonic()
    assert len(judge_drafts(ids)) == BATCH_SIZE
    assert time.monotonic() - started < 5
