"""A worker that dies, or only seems to, loses nothing and doubles nothing."""

import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from core import clock
from core.leases import LEASE
from customers.models import Supplier
from invoicing.models import BillingRun, Invoice, NumberSeries, RunCustomer, RunShard
from invoicing.runs import start_run as start_module
from invoicing.runs import work_shard as module
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import claim, free_shards, work_next_shard, work_shard
from tests.concurrency.worker import BATCH
from tests.support.crowd import CLOSE, assert_each_billed_once, at_once, make_crowd
from tests.support.workers import expire_lease, wait_until_blocked, worker_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shard():
    """A shard of 80 customers, for workers that take 20 at a time."""
    customers = make_crowd(80)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    found: Any = RunShard.objects.get()
    found.everyone = customers
    return found


@contextmanager
def counter_held():
    """Hold the series' counter row, so that whoever issues stops in the middle of their batch."""
    with transaction.atomic():
        NumberSeries.objects.select_for_update().get(kind="invoice")
        yield


def test_a_worker_killed_in_the_middle_of_a_batch_is_finished_by_a_new_one(shard):
    with worker_process(shard, CLOSE) as process:
        assert process.stdout.readline() == f"{BATCH}\n"
        with counter_held():
            process.stdin.write("\n")
            process.stdin.flush()
            wait_until_blocked("invoicing_numberseries")
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert Invoice.objects.filter(issued_at__isnull=False).count() == BATCH
    assert RunCustomer.objects.filter(outcome="pending").count() == 60
    assert claim(shard.id) is None  # its lease still runs
    expire_lease(shard)
    with clock.frozen_at(CLOSE):
        assert work_shard(shard.id)
    assert RunShard.objects.get(pk=shard.id).attempts == 2
    assert_each_billed_once(shard.everyone)


def test_workers_killed_one_after_the_other_are_each_taken_over_when_nine_seconds_are_over(shard):
    for kills in range(1, 4):
        with worker_process(shard, CLOSE) as process:
            # It has done a batch and waits for us, longer than its lease at first: it holds the shard all the same.
            assert process.stdout.readline() == f"{kills * BATCH}\n"
            if kills == 1:
                time.sleep(LEASE.total_seconds() + 1)
                assert claim(shard.id) is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed_at = time.monotonic()
        assert claim(shard.id) is None
        while not free_shards().filter(pk=shard.pk).exists():
            time.sleep(0.1)
        assert time.monotonic() - killed_at < LEASE.total_seconds() + 1
    with clock.frozen_at(CLOSE):
        assert work_next_shard()
        assert not work_next_shard()
    assert RunShard.objects.get(pk=shard.id).attempts == 4
    assert_each_billed_once(shard.everyone)


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_machine_whose_clock_is_wrong_takes_nobodys_shard_and_loses_none(shard, monkeypatch, seconds):
    assert claim(shard.id)
    monkeypatch.setattr(clock, "real_now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    assert claim(shard.id) is None
    assert not free_shards().exists()
    expire_lease(shard)
    assert claim(shard.id)  # by the wrong clock
    monkeypatch.undo()
    assert claim(shard.id) is None
    assert not free_shards().exists()
    # Whatever the claim says, it is over soon.
    left = RunShard.objects.annotate(left=F("lease_until") - Now()).values_list("left", flat=True).get()
    assert timedelta(seconds=5) < left <= LEASE


def test_what_a_lost_worker_left_is_taken_before_what_nobody_has_begun(monkeypatch):
    monkeypatch.setattr(start_module, "SHARD_SIZE", 1)
    make_crowd(3)
    with clock.frozen_at(CLOSE):
        start_run(as_of=CLOSE, trigger="schedule")
    first, second, last = RunShard.objects.order_by("position")
    claim(first.id)
    claim(last.id)
    expire_lease(last)
    assert list(free_shards()) == [last, second]


def test_a_worker_that_lost_its_lease_in_the_middle_of_a_batch_writes_nothing_twice(shard, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", BATCH)
    NumberSeries.objects.create(supplier=Supplier.objects.get(), kind="invoice", prefix="INV")
    blocked = threading.Event()

    def zombie():
        return work_shard(shard.id)

    def successor():
        blocked.wait(timeout=30)
        expire_lease(shard)
        return work_shard(shard.id)

    def hold():
        with counter_held():
            wait_until_blocked("invoicing_numberseries")
            expire_lease(shard)
            blocked.set()
            time.sleep(0.5)  # the successor now waits for the customers that the zombie holds

    assert at_once(zombie, successor, hold)[:2] == [False, True]
    assert_each_billed_once(shard.everyone)
    assert RunCustomer.objects.filter(outcome="invoiced").count() == 80


def test_a_worker_that_was_slow_before_its_batch_writes_nothing_twice(shard, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", BATCH)
    slow, taken_over = threading.Event(), threading.Event()
    close_batch = module._close_batch

    def stalls(*arguments):
        if not slow.is_set():
            slow.set()
            assert taken_over.wait(timeout=60)
        close_batch(*arguments)

    monkeypatch.setattr(module, "_close_batch", stalls)

    def successor():
        slow.wait(timeout=30)
        expire_lease(shard)
        done = work_shard(shard.id)
        taken_over.set()
        return done

    def zombie():
        with clock.frozen_at(CLOSE + timedelta(hours=1)):
            return work_shard(shard.id)

    assert at_once(zombie, successor) == [False, True]
    assert_each_billed_once(shard.everyone)
    # The run ended when the successor had done everything, not when the slow one noticed.
    assert BillingRun.objects.get().finished_at == CLOSE
