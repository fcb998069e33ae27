"""Killing a worker in the middle of a profile migration loses and doubles nothing; two at once move everybody once."""

import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from core import clock
from core.audit.models import AuditEntry
from core.leases import LEASE
from core.locks import lock_customers
from customers.models import BillingApp, BillingProfile, CustomerOverride
from invoicing.models import MigrationItem, MigrationShard
from invoicing.profile_moves import work_migration_shard as work_migration_shard_module
from invoicing.profile_moves.hold_migration import share_migration
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pause_migration import pause_migration
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.work_migration_shard import (
    unfinished_shards,
    work_migration_shard,
    work_next_migration_shard,
)
from tests.concurrency.migration_worker import BATCH
from tests.support.catalog import make_plan
from tests.support.crowd import at_once
from tests.support.customers import make_default_profile
from tests.support.moves import MOVE, approved, make_card_profile, make_customers
from tests.support.workers import expire_lease, wait_until_blocked, worker_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shard():
    """A shard of 80 customers who wait to be moved."""
    old = make_default_profile()
    new = make_card_profile(app=BillingApp.objects.create(type="sandbox", name="Other sandbox"))
    make_customers(80, make_plan())
    run_migration(migration=approved(old, new))
    return MigrationShard.objects.select_related("migration").get(kind="move")


def assert_each_moved_once(shard, *, number=80):
    assert Counter(MigrationItem.objects.values_list("outcome", "tries")) == {("moved", 1): number}
    assert CustomerOverride.objects.filter(billing_profile=shard.migration.to_profile).count() == number
    assert AuditEntry.objects.filter(verb="customer.moved").count() == number
    shard.migration.refresh_from_db()
    assert shard.migration.status == "done"


def test_a_worker_killed_in_the_middle_of_a_batch_is_finished_by_a_new_one(shard):
    with worker_process(shard, MOVE) as process:
        assert process.stdout.readline() == f"{80 - BATCH}\n"
        with transaction.atomic():
            BillingProfile.objects.select_for_update().get(pk=shard.migration.to_profile_id)
            process.stdin.write("\n")
            process.stdin.flush()
            wait_until_blocked("customers_billingprofile")
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert MigrationItem.objects.filter(outcome="waiting").count() == 80 - BATCH
    assert CustomerOverride.objects.count() == BATCH
    assert not work_migration_shard(shard.id)  # its lease still runs
    assert unfinished_shards() == []
    expire_lease(shard)
    assert unfinished_shards() == [shard.id]
    with clock.frozen_at(MOVE):
        assert work_migration_shard(shard.id)
    assert_each_moved_once(shard)


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_machine_whose_clock_is_wrong_takes_nobodys_shard_and_loses_none(shard, monkeypatch, seconds):
    claim = work_migration_shard_module._claim
    assert claim(shard.id)
    monkeypatch.setattr(clock, "real_now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    assert (claim(shard.id), unfinished_shards()) == (None, [])
    expire_lease(shard)
    assert claim(shard.id)  # by the wrong clock
    monkeypatch.undo()
    assert (claim(shard.id), unfinished_shards()) == (None, [])
    left = (
        MigrationShard.objects.annotate(left=F("lease_until") - Now()).values_list("left", flat=True).get(pk=shard.pk)
    )
    assert timedelta(seconds=5) < left <= LEASE


def test_a_shard_that_fails_keeps_nobody_from_the_others_and_is_tried_again(shard):
    # It doesn't say who asked for it, and comes first.
    broken = MigrationShard.objects.create(pk=UUID(int=1), migration=shard.migration, kind="pin", asked={})
    assert unfinished_shards() == [broken.pk, shard.pk]
    with clock.frozen_at(MOVE):
        assert work_next_migration_shard()
        assert_each_moved_once(shard)
        assert not work_next_migration_shard()
    broken.refresh_from_db()
    assert (broken.status, broken.attempts, broken.lease_until) == ("pending", 2, None)


def test_a_worker_that_lost_its_lease_moves_nobody_twice(shard):
    customers = [item.customer_id for item in shard.items.all()]
    blocked = threading.Event()

    def zombie():
        return work_migration_shard(shard.id)

    def successor():
        blocked.wait(timeout=30)
        expire_lease(shard)
        return work_migration_shard(shard.id)

    def hold():
        with transaction.atomic():
            lock_customers(customers[:1])
            BillingProfile.objects.select_for_update().get(pk=shard.migration.to_profile_id)
            time.sleep(1)
            blocked.set()
            time.sleep(0.5)

    at_once(zombie, successor, hold)
    assert_each_moved_once(shard)


def test_who_pauses_waits_for_the_batch_and_nobody_moves_afterwards(shard, monkeypatch):
    """Of twenty batches, the pause comes behind the first."""
    monkeypatch.setattr(work_migration_shard_module, "BATCH_SIZE", 4)
    begun = threading.Event()

    def pause():
        begun.wait(timeout=30)
        return pause_migration(migration=shard.migration)

    at_once(partial(work_migration_shard, shard.id, progress=lambda left: begun.set()), pause)
    waiting = MigrationItem.objects.filter(outcome="waiting").count()
    moved = MigrationItem.objects.filter(outcome="moved").count()
    assert waiting + moved == 80
    assert waiting > 0
    assert CustomerOverride.objects.count() == moved
    shard.migration.refresh_from_db()
    with clock.frozen_at(MOVE):
        run_migration(migration=shard.migration)
        for shard_id in unfinished_shards():
            work_migration_shard(shard_id)
    assert_each_moved_once(shard)


def test_who_pauses_is_not_kept_out_by_a_crowd_of_workers(shard):
    """Two transactions share the migration by turns, so that it is never free; the one who pauses comes in between."""
    turns, paused = [threading.Event() for _ in range(400)], threading.Event()

    def sharing(first):
        for turn in range(first, len(turns), 2):
            with transaction.atomic():
                if share_migration(shard.migration_id).status == "paused":
                    return turn
                turns[turn].set()
                if turn + 1 < len(turns):
                    turns[turn + 1].wait(timeout=0.5)
        return len(turns)

    def pause():
        turns[1].wait(timeout=30)
        pause_migration(migration=shard.migration)
        paused.set()

    last = at_once(partial(sharing, 0), partial(sharing, 1), pause)
    assert paused.is_set()
    assert min(last[0], last[1]) < len(turns)


def test_a_move_that_commits_while_the_default_is_switched_stays_moved(shard):
    customers = [item.customer for item in shard.items.select_related("customer")[:3]]
    third = BillingProfile.objects.create(
        name="Third",
        supplier=shard.migration.to_profile.supplier,
        app=BillingApp.objects.create(type="bank_transfer", name="Bank"),
    )
    moved = threading.Event()

    def move():
        with transaction.atomic():
            CustomerOverride.objects.create(customer=customers[0], billing_profile=shard.migration.to_profile)
            moved.set()
            time.sleep(1)  # the switch meets the row before it is committed

    def switch():
        moved.wait(timeout=30)
        return switch_default(profile=third, reason="For new ones")

    _, kept = at_once(move, switch)
    assert kept == 79
    pins = Counter(CustomerOverride.objects.values_list("billing_profile__name", flat=True))
    assert pins == {"Default": 79, "Cards": 1}
