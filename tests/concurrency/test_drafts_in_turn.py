"""The ticks that move drafts on: one works at a time, for a bounded time, and the others leave their places to runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from core import clock
from core.locks import lock_customers
from customers.choices import CollectionMethod
from invoicing.closing.close_customers import close_customers
from invoicing.drafts import advance_invoice as module
from invoicing.drafts.advance_invoice import advance_due, advance_in_turn
from invoicing.models import Invoice
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.workers import wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)

DRAFTED, DUE = at("2026-04-01"), at("2026-04-05")


@pytest.fixture
def customers():
    """Three customers, each with a draft that is issued by itself on 4 April."""
    make_default_profile(draft_period="P3D", collection_method=CollectionMethod.SEND_INVOICE)
    plan = flat_plan("basic", "10.00")
    made = [make_customer(key=f"c{number}", name=f"Customer {number}") for number in range(3)]
    with clock.frozen_at(DRAFTED):
        for customer in made:
            record_subscription(customer=customer, plan=plan, active_from=DRAFTED)
        close_customers([customer.pk for customer in made], as_of=DRAFTED)
    assert issued() == 0
    return made


def issued():
    return Invoice.objects.filter(issued_at__isnull=False).count()


def tick():
    try:
        with clock.frozen_at(DUE):
            return advance_in_turn(as_of=DUE)
    finally:
        connection.close()


def test_behind_a_tick_that_waits_the_others_are_over_at_once(customers):
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_customers([customers[0].pk])
            first = pool.submit(tick)
            wait_until_blocked("pg_advisory_xact_lock")
            assert pool.submit(tick).result(timeout=10) == 0
            assert not first.done()
        assert first.result(timeout=30) == 3
        assert issued() == 3
        # Its turn is over: the next one has it, and finds nothing.
        assert pool.submit(tick).result(timeout=10) == 0


def test_a_turn_ends_with_the_batch_in_which_its_time_is_over_and_the_clock_does_all(customers, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 1)
    with clock.frozen_at(DUE):
        assert advance_in_turn(as_of=DUE, seconds=0) == 1
        assert issued() == 1
        assert advance_due(as_of=DUE) == 2
    assert issued() == 3
