"""Events are facts: nothing changes them or takes them away, by no door, in any month; a reversal is a record apart."""

import pytest
from django.db import IntegrityError, connection, transaction

from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.metering.store.partitions import drop_months, make_months, month_of
from entitlements.models import EventReversal, UsageEvent, UsageEventKey
from tests.services.test_event_months import first_missing
from tests.support.clock import at

pytestmark = pytest.mark.django_db


def partitions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'entitlements_usageevent'::regclass"
        )
        return [name for (name,) in cursor.fetchall()]


def refused(statement):
    with (
        pytest.raises(IntegrityError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.fixture
def stored(settings):
    """An event of each kind of place: before the months, in one of them, in a new one, and beyond."""
    settings.USAGE_AHEAD_DAYS = 1000
    month = first_missing()
    make_months(month_of(month, -3))
    times = [at("2001-01-01"), month_of(month, -1), month, month_of(month, 2)]
    events = [
        {"id": f"e{n}", "source": "s", "type": "usage", "subject": "acme", "time": time.isoformat()}
        for n, time in enumerate(times)
    ]
    assert ingest_events(events=events) == 4
    return [month_of(month, -1), month]


def test_no_event_is_changed_or_deleted_by_sql_wherever_it_is(stored):
    held = set()
    for table in ["entitlements_usageevent", *partitions()]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            (count,) = cursor.fetchone()
        if count:
            held.add(table)
            refused(f"UPDATE {table} SET subject = 'other'")
            refused(f"UPDATE {table} SET time = time + interval '1 year'")
            refused(f"DELETE FROM {table}")
    assert len(held) >= 4  # all of them, the new month among them
    assert UsageEvent.objects.filter(subject="acme").count() == 4


def test_a_key_stays_as_long_as_its_event(stored):
    refused("UPDATE entitlements_usageeventkey SET event_id = 'other'")
    refused("DELETE FROM entitlements_usageeventkey")
    assert UsageEventKey.objects.count() == 4
    assert drop_months(stored[1])
    assert {key.event_id for key in UsageEventKey.objects.all()} == {"e2", "e3"}
    refused("DELETE FROM entitlements_usageeventkey")


def test_months_are_made_and_filled_from_the_rest_all_the_same(stored):
    month = month_of(stored[1], 2)
    assert make_months(month_of(month, -3))
    refused("DELETE FROM entitlements_usageevent WHERE external_id = 'e3'")
    refused("DELETE FROM entitlements_usageevent WHERE external_id = 'e2'")
    assert UsageEvent.objects.count() == 4


def test_a_reversal_is_a_record_apart_that_stays(stored):
    before = UsageEvent.objects.values().get(external_id="e0")
    reverse_event(source="s", event_id="e0", reason="A test of the sender.")
    assert UsageEvent.objects.values().get(external_id="e0") == before
    refused("UPDATE entitlements_eventreversal SET reason = 'none'")
    refused("DELETE FROM entitlements_eventreversal")
    assert EventReversal.objects.get().reason == "A test of the sender."
