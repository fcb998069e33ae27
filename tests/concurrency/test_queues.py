"""A long run delays neither collection nor heartbeat nor notices: real workers on the queues that the supervisor gives
them."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import transaction

from billing_site import heartbeat
from billing_site.beat import SCHEDULE
from billing_site.celery import app
from billing_site.queues import WORKERS
from billing_site.runtime.supervisor import worker_command
from core import clock
from core.outbox.models import OutboxMessage
from customers.models import BillingApp
from invoicing.models import Invoice, NumberSeries, Payment, RunShard
from invoicing.runs import start_run as module
from invoicing.runs.run_due import work_off
from invoicing.runs.start_run import start_run
from invoicing.runs.tasks import hand_out_shards
from tests.support.crowd import CLOSE, make_crowd
from tests.support.workers import environment_of_tests

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 50


@contextmanager
def running_workers() -> Iterator[None]:
    """One of each kind, as the supervisor starts them."""
    app.control.purge()
    processes = [
        subprocess.Popen(
            worker_command(name), env=environment_of_tests(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for name in WORKERS
    ]
    try:
        wait_until(lambda: len(app.control.ping(timeout=1) or []) == len(WORKERS), 90)
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
            NumberSeries.objects.select_for_update().get()
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
