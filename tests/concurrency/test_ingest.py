import threading

import pytest
from django.db import connection

from entitlements.metering.ingest_events import ingest_events
from entitlements.models import UsageEvent


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
