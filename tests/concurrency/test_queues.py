"""A long run delays neither collection nor heartbeat nor notices, and slow providers delay no close: real workers on
the queues that the supervisor gives them."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import connection, transaction

from billing_site import heartbeat
from billing_site.beat import SCHEDULE
from billing_site.celery import app
from billing_site.queues import WORKERS
from billing_site.runtime.supervisor import worker_command
from core import clock
from core.ids import to_text
from core.locks import lock_alone
from core.outbox.models import OutboxMessage
from customers.models import BillingApp
from invoicing.models import BillingRun, Invoice, NumberSeries, Payment, RunShard
from invoicing.profile_moves.tasks import work_next_migration_shard
from invoicing.runs import start_run as module
from invoicing.runs.run_due import work_off
from invoicing.runs.start_run import start_run
from invoicing.runs.tasks import close_customers, close_due_periods, hand_out_shards
from tests.support.crowd import CLOSE, make_crowd
from tests.support.workers import environment_of_tests, wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 50


@contextmanager
def running_workers(*names: str) -> Iterator[None]:
    """One of each kind, or of these kinds, as the supervisor starts them."""
    app.control.purge()
    names = names or tuple(WORKERS)
    processes = [
        subprocess.Popen(
            worker_command(name), env=environment_of_tests(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for name in names
    ]
    try:
        wait_until(lambda: len(app.control.ping(timeout=1) or []) == len(names), 90)
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=60)
        app.control.purge()


def wait_until(is_so, seconds):
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit, "it was not done in time"
        time.sleep(0.1)


def send_as_beat_does(name):
    entry = SCHEDULE[name]
    app.send_task(entry["task"], **entry["options"])


def test_behind_fifty_slow_shards_neither_heartbeat_nor_collection_nor_notices_wait(monkeypatch):
    monkeypatch.setattr(module, "SHARD_SIZE", 1)
    first, *others = customers = make_crowd(SHARDS + 1)
    first.app_data.create(app=BillingApp.objects.get(type="sandbox"), data={"outcome": "decline"})
    with clock.frozen_at(CLOSE):
        run = start_run(as_of=CLOSE, trigger="schedule", customer_ids=[first.pk])
        work_off(run)
        start_run(as_of=CLOSE, trigger="schedule", customer_ids=[customer.pk for customer in others])
    notice = OutboxMessage.objects.create(topic="email", payload={"to": "a@b.example", "subject": "-", "body": "-"})
    cache.delete("heartbeat")
    with running_workers():
        with transaction.atomic():
            # Whoever issues stops here: the runner's places are taken for as long as we like.
            NumberSeries.objects.select_for_update().get(kind="invoice")
            hand_out_shards()
            wait_until(lambda: RunShard.objects.filter(status="running").count() == 2, 60)
            assert RunShard.objects.filter(status="pending").count() == SHARDS - 2
            for name in ("heartbeat", "collect issued invoices", "deliver the outbox"):
                send_as_beat_does(name)
            # What nobody takes within beat's interval expires: that all is done says that it was taken in time.
            wait_until(heartbeat.last, 30)
            wait_until(lambda: OutboxMessage.objects.get(pk=notice.pk).delivered_at, 30)
            wait_until(lambda: Payment.objects.filter(invoice__customer=first).count() == 2, 30)
        wait_until(lambda: not RunShard.objects.exclude(status="done").exists(), 120)
    issued = Invoice.objects.filter(issued_at__isnull=False).values_list("customer_id", flat=True)
    assert sorted(issued) == sorted(customer.pk for customer in customers)


def held_up():
    """How many connections wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]


def test_where_every_charge_and_mail_is_held_up_the_heart_beats_and_periods_are_closed():
    make_crowd(1)
    cache.delete("heartbeat")
    with running_workers("ticker", "worker"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE invoicing_payment, outbox_outboxmessage")
        for _ in range(8):
            send_as_beat_does("deliver the outbox")
        wait_until(lambda: held_up() == 8, 30)
        for name in ("heartbeat", "close due periods"):
            send_as_beat_does(name)
        wait_until(heartbeat.last, 30)
        wait_until(BillingRun.objects.exists, 30)
        assert held_up() == 8


def test_where_every_move_is_held_up_periods_are_closed():
    make_crowd(1)
    with running_workers("ticker", "runner", "mover"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE invoicing_migrationshard")
        for _ in range(8):
            work_next_migration_shard.delay()
        wait_until(lambda: held_up() == 2, 30)
        send_as_beat_does("close due periods")
        wait_until(lambda: BillingRun.objects.filter(status="done").exists(), 60)
        assert held_up() == 2


def test_while_a_run_is_listed_those_who_subscribe_hold_up_no_tick_and_are_billed_by_the_next():
    customers = make_crowd(6)
    cache.delete("heartbeat")
    with running_workers("ticker"):
        with transaction.atomic():
            lock_alone(module._START_LOCK)
            for customer in customers:
                close_customers.delay([to_text(customer.pk)])
            send_as_beat_does("heartbeat")
            wait_until(heartbeat.last, 30)
            assert held_up() == 0
        assert not BillingRun.objects.exists()
        send_as_beat_does("close due periods")
        wait_until(lambda: BillingRun.objects.filter(customer_count=6).exists(), 30)


def test_while_one_tick_lists_the_customers_of_a_run_the_next_ones_are_over_at_once():
    def tick():
        try:
            close_due_periods()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_alone(module._START_LOCK)
            first = pool.submit(tick)
            wait_until_blocked("pg_advisory_xact_lock")
            pool.submit(tick).result(timeout=10)
            assert not first.done()
        first.result(timeout=30)
