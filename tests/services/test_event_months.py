"""Events are kept by month: months are made ahead, take what came before they were there, and go when they are told."""

import pytest
from django.db import connection

from entitlements.errors import BadEvent
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.store.partitions import drop_months, make_months, month_of
from entitlements.models import UsageEvent, UsageEventKey
from tests.support.clock import at

pytestmark = pytest.mark.django_db


def event(number, time):
    return {"id": f"e{number}", "source": "s", "type": "usage", "subject": "acme", "time": time}


def places():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT replace(tableoid::regclass::text, 'entitlements_usageevent_', ''), external_id "
            "FROM entitlements_usageevent ORDER BY external_id"
        )
        return [f"{name} {key}" for name, key in cursor.fetchall()]


def first_missing():
    """The month after those that there are: it depends on when the database was made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)'))[1]::timestamptz) "
            "FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'entitlements_usageevent'::regclass"
        )
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("moment", "months", "expected"),
    [
        ("2026-01-31T23:59:59", 0, "2026-01-01"),
        ("2026-01-31", -1, "2025-12-01"),
        ("2026-12-01", 1, "2027-01-01"),
        ("2026-03-17", -27, "2023-12-01"),
    ],
)
def test_months_are_counted_over_the_year(moment, months, expected):
    assert month_of(at(moment), months) == at(expected)


def test_a_month_takes_what_came_before_it_was_made(settings):
    settings.USAGE_AHEAD_DAYS = 365
    month = first_missing()
    after = month_of(month, 1)
    times = [month.isoformat(), after.isoformat(), "1999-12-31T23:59:59Z"]
    ingest_events(events=[event(number, time) for number, time in enumerate(times)])
    assert places() == ["rest e0", "rest e1", "before e2"]

    assert make_months(month_of(month, -3)) == [f"entitlements_usageevent_y{month:%Ym%m}"]
    assert make_months(month_of(month, -3)) == []
    assert places() == [f"y{month:%Ym%m} e0", "rest e1", "before e2"]
    # What came before is still known by its key.
    assert ingest_events(events=[event(0, month.isoformat())]) == 0
    ingest_events(events=[event(3, month.isoformat())])
    assert places()[-1] == f"y{month:%Ym%m} e3"


def test_what_is_dropped_takes_its_keys_along_and_nothing_else():
    month = first_missing()
    make_months(month_of(month, -3))
    ingest_events(events=[event(1, "2026-03-01T00:00:00Z")])
    UsageEvent.objects.create(source="s", external_id="e2", type="usage", subject="acme", time=month)
    UsageEventKey.objects.create(source="s", event_id="e2", stored_as=UsageEvent.objects.latest("time").id, time=month)
    assert drop_months(at("2000-01-01")) == []
    assert drop_months(month) == ["entitlements_usageevent_before"]
    # Until this is committed no ingest goes on: what it looked up before would no longer hold.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted"
            " AND pid = pg_backend_pid() AND (classid, objid) = (%s, %s)",
            [0x75736167, 64],
        )
        assert cursor.fetchone() == (1,)
    assert [key.event_id for key in UsageEventKey.objects.all()] == ["e2"]
    assert [stored.external_id for stored in UsageEvent.objects.all()] == ["e2"]


def test_times_that_are_not_kept_or_not_there_yet_are_refused_with_the_reason(settings):
    settings.USAGE_RETENTION_MONTHS = 24
    with pytest.raises(BadEvent) as refused:
        ingest_events(events=[event(1, "2999-01-01T00:00:00Z"), event(2, "2001-01-01T00:00:00Z")])
    assert [(problem.field, problem.code) for problem in refused.value.problems] == [
        ("0.time", "too_far_ahead"),
        ("1.time", "too_old"),
    ]
    settings.USAGE_RETENTION_MONTHS = 0
    assert ingest_events(events=[event(2, "2001-01-01T00:00:00Z")]) == 1
