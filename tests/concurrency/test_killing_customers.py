"""A customer who takes the worker itself down is found and set aside, and everybody else is billed, or moved."""

import json
import subprocess
import sys

import pytest

from core import clock
from core.audit.actors import acting_as
from core.audit.models import AuditEntry
from core.ids import to_text
from core.leases import LOST_TOGETHER
from customers.models import BillingApp, CustomerOverride
from invoicing.models import (
    BillingRun,
    Invoice,
    MigrationItem,
    MigrationShard,
    ParkedCustomer,
    ProfileMigration,
    RunCustomer,
    RunShard,
)
from invoicing.parking.release_by_worker import ask_for_release, work_next_release
from invoicing.parking.release_customer import release_customer
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.pin_unpinned import start_pinning
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.work_migration_shard import work_migration_shard, work_off_migration
from invoicing.runs import work_shard as module
from invoicing.runs.run_due import close_now
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import claim, work_next_shard, work_shard
from tests.support.books import run_check
from tests.support.catalog import make_plan
from tests.support.crowd import CLOSE, assert_each_billed_once, assert_gapless, make_crowd
from tests.support.customers import make_default_profile
from tests.support.moves import ADA, MOVE, approved, make_card_profile, make_customers
from tests.support.workers import environment_of_tests, expire_lease

pytestmark = pytest.mark.django_db(transaction=True)

KILLED, ENDED = -9, 0

# As where memory runs out while that customer's usage is read: nothing is left to catch, or to tell it. Each worker is
# a child of one process that has everything imported, and nothing connected.
PROGRAM = """
import django; django.setup()
import json, os, signal, sys, traceback
from datetime import datetime
from importlib import import_module
from core import clock
from core.ids import from_text

def live(fatal, place, act, work, now):
    fatal, place, (module, work) = from_text(fatal), import_module(place), work.rsplit(".", 1)
    acts, work = getattr(place, act), getattr(import_module(module), work)
    def die_or_act(*given, **options):
        if fatal in (given[0] if given else options["customer_ids"]): os.kill(os.getpid(), signal.SIGKILL)
        return acts(*given, **options)
    setattr(place, act, die_or_act)
    with clock.frozen_at(datetime.fromisoformat(now)): work()

for line in sys.stdin:
    if not (child := os.fork()):
        signal.alarm(60)
        try: live(*json.loads(line))
        except BaseException: traceback.print_exc(); os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
BILLING = (
    "invoicing.runs.work_shard",
    "close_customers",
    "invoicing.runs.work_shard.work_next_shard",
    CLOSE.isoformat(),
)
MOVING = (
    "invoicing.profile_moves.work_migration_shard",
    "move_batch",
    "invoicing.profile_moves.work_migration_shard.work_next_migration_shard",
    MOVE.isoformat(),
)


@pytest.fixture(scope="module")
def workers(django_db_setup):
    """Is told what a worker is to do, one in a line, and says how it ended."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, env=environment_of_tests(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        yield parent
        parent.kill()


@pytest.fixture
def worker_that_dies_of(workers):
    def begin(customer, shard=None, doing=BILLING):
        workers.stdin.write(json.dumps([to_text(customer.pk), *doing]) + "\n")
        workers.stdin.flush()
        code = int(workers.stdout.readline())
        expire_lease(shard or RunShard.objects.get())
        return code

    return begin


def issued():
    return Invoice.objects.filter(issued_at__isnull=False).count()


def test_who_kills_worker_after_worker_is_parked_and_everybody_else_is_billed(worker_that_dies_of):
    customers = make_crowd(6)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    third = RunCustomer.objects.order_by("id")[2].customer
    for _ in range(3):
        assert (worker_that_dies_of(third), issued()) == (KILLED, 0)
    # One by one from now on, and twice with them.
    for _ in range(2):
        assert (worker_that_dies_of(third), issued()) == (KILLED, 2)
    assert (worker_that_dies_of(third), issued()) == (ENDED, 5)
    assert BillingRun.objects.get().status == "done"
    parked = ParkedCustomer.objects.get()
    assert (parked.customer, parked.cause_code) == (third, "workers_lost")
    assert parked.cause.startswith(
        "2 workers in a row ended without a word while they were at this customer and nobody else"
    )
    row = RunCustomer.objects.get(customer=third)
    assert (row.outcome, row.cause_code, row.cause) == ("parked", "workers_lost", parked.cause)
    assert_gapless()
    code, said = run_check(now="2026-04-01T00:05")
    assert code == 0, said
    with clock.frozen_at(CLOSE):
        release_customer(parked=parked, reason="More memory")
        close_now(as_of=CLOSE, trigger="schedule")
    assert issued() == 6
    ParkedCustomer.objects.all().delete()
    assert_each_billed_once(customers)


def test_who_kills_the_workers_of_a_profile_migration_fails_and_everybody_else_is_moved(worker_that_dies_of):
    old = make_default_profile()
    new = make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))
    make_customers(4, make_plan())
    migration = run_migration(migration=approved(old, new))
    shard = MigrationShard.objects.get(kind="move")
    second = shard.items.order_by("id")[1].customer

    def moved():
        return MigrationItem.objects.filter(outcome="moved").count()

    for kills in range(5):
        assert worker_that_dies_of(second, shard, MOVING) == KILLED
        assert moved() == (0 if kills < 3 else 1)
    assert (worker_that_dies_of(second, shard, MOVING), moved()) == (ENDED, 3)
    migration.refresh_from_db()
    failed = MigrationItem.objects.get(customer=second)
    assert (migration.status, failed.outcome, failed.causes[0]["code"]) == ("done", "failed", "workers_lost")
    assert failed.causes[0]["message"].startswith("2 workers in a row ended without a word")


def test_who_kills_the_workers_of_a_check_is_blocked():
    old = make_default_profile()
    new = make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))
    make_customers(2, make_plan())
    with clock.frozen_at(MOVE):
        migration = check_migration(migration=draft_migration(from_profile=old, to_profile=new, criteria={}))
        shard = MigrationShard.objects.get(kind="check")
        first = shard.items.order_by("id")[0].customer
        # Three were lost with everybody, two with the first alone, who is not begun a third time.
        MigrationShard.objects.filter(pk=shard.pk).update(lost=3, alone_with=first.pk, alone_tries=2)
        assert work_off_migration(migration).status == "checked"
    verdicts = dict(MigrationItem.objects.values_list("customer__key", "verdict"))
    assert verdicts == {first.key: "blocked", ({"c0", "c1"} - {first.key}).pop(): "ready"}


def test_a_worker_that_lives_to_give_its_shard_back_is_not_lost():
    old = make_default_profile()
    new = make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))
    make_customers(1, make_plan())
    migration = run_migration(migration=approved(old, new))
    MigrationShard.objects.update(lost=3)
    with clock.frozen_at(MOVE):
        # It asks, finds that the migration is paused meanwhile, and gives the shard back; as often as you like.
        for _ in range(4):
            ProfileMigration.objects.filter(pk=migration.pk).update(status="paused")
            work_migration_shard(MigrationShard.objects.get(kind="move").pk)
        shard = MigrationShard.objects.get(kind="move")
        assert (shard.attempts, shard.lost, shard.alone_with, shard.alone_tries) == (4, 3, None, 0)
        ProfileMigration.objects.filter(pk=migration.pk).update(status="running")
        assert work_off_migration(migration).status == "done"
    assert MigrationItem.objects.get().outcome == "moved"


def test_who_was_there_when_a_worker_was_lost_for_reasons_of_its_own_is_billed(monkeypatch):
    customers = make_crowd(3)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    shard = RunShard.objects.get()
    for _ in range(LOST_TOGETHER):
        assert claim(shard.pk)
        expire_lease(shard)
    close_batch = module._close_batch

    def lose(*_):
        raise SystemExit

    # Each is lost with another one: the first stops before it has closed its first, the second before its second.
    for before in range(2):
        left = iter([close_batch] * before + [lose])
        monkeypatch.setattr(module, "_close_batch", lambda *given, left=left: next(left)(*given))
        with clock.frozen_at(CLOSE), pytest.raises(SystemExit):
            work_shard(shard.pk)
        expire_lease(shard)
    monkeypatch.undo()
    with clock.frozen_at(CLOSE):
        assert work_next_shard()
    assert_each_billed_once(customers)


PINNING = ("invoicing.profile_moves.pin_unpinned", "lock_customers", *MOVING[2:])


def pinning_of(number):
    old = make_default_profile()
    new = make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))
    customers = make_customers(number, make_plan())
    migration = draft_migration(from_profile=old, to_profile=new, criteria={})
    with acting_as(ADA):
        shard = start_pinning(migration=migration, reason="Before the switch")
    return customers, migration, shard


def pinned():
    return list(CustomerOverride.objects.order_by("customer__key").values_list("customer__key", flat=True))


def test_who_kills_the_workers_that_pin_is_left_out_and_everybody_else_is_pinned(worker_that_dies_of, monkeypatch):
    customers, migration, shard = pinning_of(4)
    second = customers[1]
    for kills in range(5):
        assert worker_that_dies_of(second, shard, PINNING) == KILLED
        assert pinned() == ([] if kills < 3 else ["c0"])
    assert worker_that_dies_of(second, shard, PINNING) == ENDED
    assert pinned() == ["c0", "c2", "c3"]
    shard.refresh_from_db()
    assert (shard.status, shard.done, shard.total, shard.lost) == ("done", 3, 4, 0)
    [left_out] = shard.left_out
    assert (left_out["name"], left_out["code"]) == (second.name, "workers_lost")
    said = AuditEntry.objects.get(verb="profilemigration.left_out")
    assert said.sentence.startswith(f"Ada left {second} without a pin for the move from")
    # Once there is more memory, they are asked for again.
    with acting_as(ADA), clock.frozen_at(MOVE):
        again = start_pinning(migration=migration, reason="More memory")
        assert again.total == 1
        work_migration_shard(again.pk)
    assert pinned() == ["c0", "c1", "c2", "c3"]


def test_workers_that_end_for_reasons_of_their_own_leave_nobody_out_of_a_pin():
    _, _, shard = pinning_of(3)
    MigrationShard.objects.filter(pk=shard.pk).update(lost=3)
    with clock.frozen_at(MOVE):
        assert work_migration_shard(shard.pk)
    shard.refresh_from_db()
    assert (pinned(), shard.done, shard.left_out) == (["c0", "c1", "c2"], 3, [])


RELEASING = (
    "invoicing.parking.release_customer",
    "compute",
    "invoicing.parking.release_by_worker.work_next_release",
    CLOSE.isoformat(),
)


def test_who_kills_the_workers_that_release_them_stays_parked_and_says_so(worker_that_dies_of):
    [customer] = make_crowd(1)
    parked = ParkedCustomer.objects.create(customer=customer, cause_code="workers_lost", cause="Workers ended.")
    with acting_as(ADA):
        ask_for_release(parked=parked, reason="More memory")
    for _ in range(2):
        assert worker_that_dies_of(customer, parked, RELEASING) == KILLED
    assert worker_that_dies_of(customer, parked, RELEASING) == ENDED
    parked.refresh_from_db()
    assert (parked.released_at, parked.release_asked_at) == (None, None)
    assert parked.release_said.startswith("2 workers in a row ended without a word")
    with acting_as(ADA):
        ask_for_release(parked=parked, reason="Far more memory")
    with clock.frozen_at(CLOSE):
        # What ended without an answer is held until its lease is over.
        assert work_next_release()
        assert not work_next_release()
    parked.refresh_from_db()
    assert (parked.released_by, parked.release_reason) == ("Ada", "Far more memory")
