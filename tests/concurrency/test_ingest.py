import random
import threading
import time

import pytest
from django.db import connection, transaction

from entitlements.errors import BadEvent
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.store.build import build_day, drop_rollups
from entitlements.metering.store.locks import lock_months_alone, lock_type_alone
from entitlements.metering.store.prove import differences
from entitlements.models import DroppedUsage, UsageEvent, UsageEventKey, UsageRollup
from tests.support.clock import at


def event(number):
    return {"id": f"e{number}", "source": "gateway", "type": "usage", "subject": "acme", "data": {"amount": 1}}


@pytest.mark.django_db(transaction=True)
def test_overlapping_batches_at_once_store_each_event_once_and_never_lock_each_other_out():
    numbers = range(300)
    batches = [[event(n) for n in numbers], [event(n) for n in reversed(numbers)]] * 3
    barrier, stored, failed = threading.Barrier(len(batches)), [], []

    def send(batch):
        barrier.wait()
        try:
            stored.append(ingest_events(events=batch))
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sum(stored) == 300
    assert UsageEvent.objects.count() == 300


@pytest.mark.django_db(transaction=True)
def test_batches_into_the_same_buckets_at_once_never_lock_each_other_out():
    create_meter(
        key="usage", event_type="usage", aggregation="SUM", value_property="$.amount", group_by={"model": "$.model"}
    )
    of_chance = random.Random(11)
    subjects = [f"subject {n}" for n in range(300)]
    barrier, failed = threading.Barrier(4), []

    def send(sender, batches):
        barrier.wait()
        try:
            for number, batch in enumerate(batches):
                events = [
                    event(0) | {"id": f"{sender}-{number}-{n}", "subject": subject, "time": "2026-03-02T10:00:00Z"}
                    for n, subject in enumerate(batch)
                ]
                ingest_events(events=events)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            failed.append(error)
        finally:
            connection.close()

    # Each batch is of other subjects, in another order.
    sent = [[of_chance.sample(subjects, of_chance.randrange(50, 290)) for _ in range(8)] for _ in range(4)]
    threads = [threading.Thread(target=send, args=(sender, batches)) for sender, batches in enumerate(sent)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert UsageEvent.objects.count() == sum(len(batch) for batches in sent for batch in batches)
    assert list(differences(at("2026-03-02"))) == []


@pytest.mark.django_db(transaction=True)
def test_an_event_that_comes_while_its_month_is_dropped_is_refused():
    """Its key goes with the month, so nobody could tell whether it was counted before."""
    locked = threading.Event()
    refused: list[str] = []

    def send():
        locked.wait(10)
        try:
            ingest_events(events=[event(1) | {"time": "2026-01-15T00:00:00Z"}])
        except BadEvent as error:
            refused.extend(problem.code for problem in error.problems)
        finally:
            connection.close()

    thread = threading.Thread(target=send)
    thread.start()
    with transaction.atomic():
        # As `drop_months` does; the month itself stays for the other tests.
        lock_months_alone()
        DroppedUsage.objects.create(before=at("2026-02-01"))
        locked.set()
        while thread.is_alive() and not waiting():
            time.sleep(0.01)
    thread.join()
    assert refused == ["too_old"]
    assert not UsageEvent.objects.exists()
    assert not UsageEventKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rollup_that_is_being_built_can_be_dropped_by_who_has_its_type_alone():
    ingest_events(events=[event(1)])
    meter = create_meter(key="usage", event_type="usage", aggregation="COUNT")
    rollup, added = meter.rollups.get(), []

    def build():
        added.append(build_day(rollup.id))
        connection.close()

    thread = threading.Thread(target=build)
    with transaction.atomic():
        # As `delete_meter` does, in this order.
        lock_type_alone("usage")
        thread.start()
        while thread.is_alive() and not waiting():
            time.sleep(0.01)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")
        drop_rollups([rollup], "usage")
    thread.join()
    assert added == [False]
    assert not UsageRollup.objects.exists()


def waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0]
