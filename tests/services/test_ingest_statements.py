"""What an ingest asks of PostgreSQL: few statements, kept ready, each event once."""

import pytest
from django.db import connection

from core.bulk import array_text
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.models import UsageEvent, UsageEventKey, UsageRollup

pytestmark = pytest.mark.django_db


def event(number, subject="acme"):
    return {"id": f"e{number}", "source": "s", "type": "prepared", "subject": subject, "data": {"n": 2}}


def test_the_statements_of_an_ingest_are_planned_once():
    create_meter(key="prepared", event_type="prepared", aggregation="SUM", value_property="$.n")
    for number in range(12):
        assert ingest_events(events=[event(number)]) == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement, generic_plans FROM pg_prepared_statements WHERE statement LIKE ANY(ARRAY["
            "'%pg_advisory_xact_lock_shared%', '%FROM entitlements_meter m%', '%INTO entitlements_usageeventkey%'])"
        )
        kept = cursor.fetchall()
    # Another test of this process may have stored for other meters; five are planned each for itself before.
    assert len(kept) >= 3
    assert sum(plans >= 7 for _, plans in kept) >= 3, kept


def test_a_batch_counts_each_key_once_whoever_sent_it_before_and_however_often_it_is_in_it():
    create_meter(key="prepared", event_type="prepared", aggregation="SUM", value_property="$.n")
    assert ingest_events(events=[event(1), event(2), event(1)]) == 2
    assert ingest_events(events=[event(3), event(2), event(3), event(4, "bolt")]) == 2
    assert ingest_events(events=[event(3)]) == 0
    assert UsageEvent.objects.count() == UsageEventKey.objects.count() == 4
    assert {(row.subject, row.grain, row.events, row.sum) for row in UsageRollup.objects.all()} == {
        ("acme", 1, 3, 6),
        ("acme", 24, 3, 6),
        ("bolt", 1, 1, 2),
        ("bolt", 24, 1, 2),
    }


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["", ""],
        ["a", 'say "b"', "back\\slash", "{c,d}", "NULL", " e ", "\x01", "é\n"],
        ["a", None, 'b"', None],
        [None],
    ],
)
def test_an_array_as_text_is_what_postgresql_reads(texts):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [array_text(texts, quoted=True)])
        assert cursor.fetchone()[0] == texts


def test_a_nul_never_makes_two_texts_of_one():
    assert array_text(["a\x00b"], quoted=True) == '{"a\x00b"}'
    assert array_text(["a\x00b", "c"], quoted=True) == '{"a\x00b","c"}'
