"""A customer who takes the worker itself down is found and parked, and everybody else is billed."""

import subprocess
import sys

import pytest

from core import clock
from core.ids import to_text
from invoicing.models import BillingRun, Invoice, ParkedCustomer, RunCustomer, RunShard
from invoicing.parking.release_customer import release_customer
from invoicing.runs import work_shard as module
from invoicing.runs.run_due import close_now
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import LOST_TOGETHER, claim, work_next_shard, work_shard
from tests.support.books import run_check
from tests.support.crowd import CLOSE, assert_each_billed_once, assert_gapless, make_crowd
from tests.support.workers import environment_of_tests, expire_lease

pytestmark = pytest.mark.django_db(transaction=True)

KILLED, ENDED = -9, 0

# As where memory runs out while that customer's usage is read: nothing is left to catch, or to tell it.
PROGRAM = """
import django; django.setup()
import os, signal, sys
from core import clock
from core.ids import from_text
from invoicing.runs import work_shard
from tests.support.crowd import CLOSE
close, fatal = work_shard.close_customers, from_text(sys.argv[1])
def close_customers(customer_ids, **options):
    if fatal in customer_ids: os.kill(os.getpid(), signal.SIGKILL)
    return close(customer_ids, **options)
work_shard.close_customers = close_customers
with clock.frozen_at(CLOSE): work_shard.work_next_shard()
"""


def worker_that_dies_of(customer):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, to_text(customer.pk)], env=environment_of_tests(), check=False, timeout=60
    )
    expire_lease(RunShard.objects.get())
    return done.returncode


def issued():
    return Invoice.objects.filter(issued_at__isnull=False).count()


def test_who_kills_worker_after_worker_is_parked_and_everybody_else_is_billed():
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
        "2 workers in a row ended without a word while they billed this customer and nobody else"
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
