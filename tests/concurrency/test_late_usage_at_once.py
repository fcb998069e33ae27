"""Late usage with several at once: it is found once, decided once, and whoever notes it waits for nobody."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from core import clock
from core.errors import BillingError
from core.locks import lock_customers
from entitlements.metering.touched import Reader, claim_touched
from invoicing.late_usage import settle_looks as module
from invoicing.late_usage.decide import bill_late_usage, waive_late_usage
from invoicing.late_usage.note_touched import note_touched
from invoicing.late_usage.settle_looks import settle_looks
from invoicing.models import InvoiceLine, LateUsageCase, LateUsageLook
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.late_usage import calls_feature, cases, ingest
from tests.support.subscriptions import subscribe
from tests.support.usage import metered
from tests.support.workers import wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)
NOW = at("2026-05-12")


@pytest.fixture
def customer():
    """12 units of April billed at 1.00, then 7 that came on 10 May, and are not noted yet."""
    subscription = subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    make_default_profile(late_usage="ask")
    run("2026-05-02")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    return subscription.customer


def alone(act, *arguments, **options):
    try:
        with clock.frozen_at(NOW):
            return act(*arguments, **options)
    except BillingError as error:
        return error.code
    finally:
        connection.close()


def test_two_workers_open_one_case(customer):
    with clock.frozen_at(NOW):
        note_touched()
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_customers([customer.pk])
            workers = [pool.submit(alone, settle_looks) for _ in range(2)]
            wait_until_blocked("pg_advisory_xact_lock")
        for worker in workers:
            worker.result(timeout=30)
    assert cases() == [("04-01", "7", "7.00", "open")]
    assert not LateUsageLook.objects.exists()


def test_of_two_decisions_at_once_one_is_made(customer):
    with clock.frozen_at(NOW):
        note_touched()
        settle_looks()
    case = LateUsageCase.objects.get()
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_customers([customer.pk])
            both = [pool.submit(alone, act, case=case, reason="Agreed") for act in (bill_late_usage, waive_late_usage)]
            wait_until_blocked("pg_advisory_xact_lock")
        answers = [each.result(timeout=30) for each in both]
    assert answers.count("late_usage_decided") == 1
    case.refresh_from_db()
    assert InvoiceLine.objects.filter(kind="late").count() == (1 if case.state == "billed" else 0)


def test_noting_waits_for_no_close_and_forgets_nobody_whom_one_holds(customer):
    """As while a close has read usage, and has not stored its windows yet."""
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_customers([customer.pk])
        assert pool.submit(alone, note_touched).result(timeout=10) == 1
        assert LateUsageLook.objects.filter(customer=customer).exists()


def test_what_comes_while_a_case_is_settled_is_noted_for_the_next_look(customer):
    with clock.frozen_at(NOW):
        note_touched()
        settle_looks()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_customers([customer.pk])
        # An ingest waits for no customer's lock.
        pool.submit(alone, ingest, "2026-04-21", "2").result(timeout=10)
    with clock.frozen_at(NOW):
        note_touched()
        settle_looks()
    assert cases() == [("04-01", "9", "9.00", "open")]


def test_a_worker_that_dies_leaves_the_look_to_the_next(customer, monkeypatch):
    with clock.frozen_at(NOW):
        note_touched()
        with monkeypatch.context() as patched:
            patched.setattr(module, "keep_open", lambda *arguments: 1 / 0)
            settle_looks()
        assert cases() == []
        assert LateUsageLook.objects.filter(customer=customer, not_before__isnull=False).exists()
    with clock.frozen_at(at("2026-05-12T02:00")):
        settle_looks()
    assert cases() == [("04-01", "7", "7.00", "open")]


def test_a_claim_that_is_undone_leaves_the_marks(customer):
    with clock.frozen_at(NOW):
        with transaction.atomic():
            note_touched()
            transaction.set_rollback(True)
        assert len(claim_touched(Reader.LATE_USAGE)) == 1
