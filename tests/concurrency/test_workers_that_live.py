"""A worker that catches an error lives: it is not lost, and nobody is parked because the database was away."""

import pytest
from django.db import OperationalError, connection

from core import clock
from core.leases import give_back_failed
from customers.models import BillingApp
from invoicing.closing.close_customers import close_customers
from invoicing.models import BillingRun, Invoice, MigrationItem, MigrationShard, ParkedCustomer, RunCustomer, RunShard
from invoicing.profile_moves import work_migration_shard as moving
from invoicing.profile_moves.move_batch import move_batch
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.work_migration_shard import work_migration_shard, work_off_migration
from invoicing.runs import work_shard as module
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import claim, work_next_shard, work_shard
from tests.support.catalog import make_plan
from tests.support.crowd import CLOSE, assert_each_billed_once, make_crowd
from tests.support.customers import make_default_profile
from tests.support.moves import MOVE, approved, make_card_profile, make_customers
from tests.support.workers import expire_lease

pytestmark = pytest.mark.django_db(transaction=True)


def issued():
    return Invoice.objects.filter(issued_at__isnull=False).count()


def closed_by_workers(times, error):
    """Let so many workers take the shard, each of whom comes to this error while it closes."""
    for _ in range(times):
        with clock.frozen_at(CLOSE), pytest.raises(error):
            work_shard(RunShard.objects.get().pk)


@pytest.fixture
def away(monkeypatch):
    """The database throws each worker out in the middle of its batch."""

    def thrown_out(*_, **__):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(module, "close_customers", thrown_out)


def test_a_database_that_is_away_again_and_again_parks_nobody(away, monkeypatch):
    customers = make_crowd(3)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    closed_by_workers(12, OperationalError)
    shard = RunShard.objects.get()
    # Three times together, nine times with the first one alone; none of these workers is lost.
    assert (shard.attempts, shard.lost, shard.failed, shard.alone_tries, shard.alone_failed) == (12, 0, 12, 0, 9)
    assert shard.lease_until is None
    assert not ParkedCustomer.objects.exists()
    monkeypatch.undo()
    with clock.frozen_at(CLOSE):
        assert work_next_shard()
    assert_each_billed_once(customers)


def test_a_worker_that_says_late_that_it_lives_is_taken_off_the_lost_ones(away):
    """Its lease runs out while the database is away, and another worker takes the shard over."""
    make_crowd(1)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    shard = RunShard.objects.get()
    token = claim(shard.pk)
    expire_lease(shard)
    assert claim(shard.pk)
    assert RunShard.objects.get().lost == 1
    give_back_failed(RunShard.objects.get(), token)
    shard.refresh_from_db()
    assert (shard.lost, shard.failed, shard.status, shard.lease_token is None) == (0, 1, "running", False)


def always_too_slow(customer, acts):
    """Whoever does this one's work comes to the time limit of its statements, as with a query that never ends."""

    def act(*given, **options):
        if customer.pk in (given[0] if given else options["customer_ids"]):
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 20; SELECT pg_sleep(5)")
        return acts(*given, **options)

    return act


def test_who_always_takes_too_long_is_parked_with_the_cause_and_everybody_else_is_billed(monkeypatch):
    make_crowd(4)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    second = RunCustomer.objects.order_by("id")[1].customer
    monkeypatch.setattr(module, "close_customers", always_too_slow(second, close_customers))
    # Three times together, four times alone; the fifth time it is theirs.
    for billed in (0, 0, 0, 1, 1, 1, 1):
        closed_by_workers(1, OperationalError)
        assert issued() == billed
    with clock.frozen_at(CLOSE):
        assert work_next_shard()
    assert (issued(), BillingRun.objects.get().status) == (3, "done")
    parked = ParkedCustomer.objects.get()
    assert (parked.customer, parked.cause_code) == (second, "internal_error")
    assert "canceling statement due to statement timeout" in parked.cause


def test_who_always_takes_too_long_fails_in_a_migration_and_everybody_else_is_moved(monkeypatch):
    old = make_default_profile()
    new = make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))
    make_customers(4, make_plan())
    migration = run_migration(migration=approved(old, new))
    shard = MigrationShard.objects.get(kind="move")
    second = shard.items.order_by("id")[1].customer
    monkeypatch.setattr(moving, "move_batch", always_too_slow(second, move_batch))
    with clock.frozen_at(MOVE):
        for moved in (0, 0, 0, 1, 1, 1, 1):
            with pytest.raises(OperationalError):
                work_migration_shard(shard.pk)
            assert MigrationItem.objects.filter(outcome="moved").count() == moved
        assert work_off_migration(migration).status == "done"
    failed = MigrationItem.objects.get(customer=second)
    assert (failed.outcome, failed.causes[0]["code"]) == ("failed", "internal_error")
    assert "OperationalError: canceling statement due to statement timeout" in failed.causes[0]["message"]
    assert MigrationItem.objects.filter(outcome="moved").count() == 3
