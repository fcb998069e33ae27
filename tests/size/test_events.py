"""A page of events reads as much as it shows, or looks through a bounded part, among a great many."""

import json
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction

from entitlements.metering.list_events import LOOKED_THROUGH
from tests.support.api import Api, data
from tests.support.plans import recorded_plans

EVENTS = 300_000  # of a year, of 3,000 subjects, 3 types and 30 sources
READ_AT_MOST = 3 * LOOKED_THROUGH


@pytest.fixture(scope="module")
def events(django_db_setup, django_db_blocker):
    """The events with their keys, for all tests of this file; nothing of them stays."""
    with django_db_blocker.unblock(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO entitlements_usageevent (id, source, external_id, type, subject, time, ingested_at)
                SELECT gen_random_uuid(), 's' || n %% 30, 'e' || n, 't' || n %% 3, 'c' || n %% 3000,
                    '2026-01-01Z'::timestamptz + n * interval '100 seconds', now()
                FROM generate_series(1, %s) AS n
                """,
                [EVENTS],
            )
            cursor.execute(
                "INSERT INTO entitlements_usageeventkey (source, event_id, stored_as, time) "
                "SELECT source, external_id, id, time FROM entitlements_usageevent"
            )
            cursor.execute("ANALYZE entitlements_usageevent, entitlements_usageeventkey")
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, 100),
        ({"time": {"$lt": "2026-06-01T00:00:00Z"}}, 100),
        ({"subject": {"$eq": "c7"}}, 100),
        ({"subject": {"$in": ["c7", "none"]}, "type": {"$eq": "t1"}}, 100),
        ({"subject": {"$eq": "none"}}, 0),
        ({"id": {"$eq": "e123456"}}, 1),
        ({"id": {"$in": ["e5", "none"]}, "source": {"$eq": "s5"}}, 1),
        ({"type": {"$eq": "t2"}}, 100),
        ({"type": {"$like": "%none%"}}, 0),
        ({"source": {"$ne": "s1"}, "ingestedAt": {"$lt": "1990-01-01T00:00:00Z"}}, 0),
        ({"customerId": {"$in": ["01G65Z755AFWAKHE12NY0CQ9FH"]}}, 0),
    ],
)
def test_a_page_reads_no_more_than_it_may_look_through(events, db, asked, shown):
    with recorded_plans(carried_out=True) as recorder:
        page = data(Api().get(f"/api/v2/events?{urlencode({'filter': json.dumps(asked)})}"))
    assert len(page["items"]) == shown
    assert recorder.rows_read < READ_AT_MOST, recorder.seen


def test_a_cursor_leads_on_as_cheaply(events, db):
    api = Api()
    first = data(api.get("/api/v2/events"))
    with recorded_plans(carried_out=True) as recorder:
        second = data(api.get(f"/api/v2/events?cursor={first['nextCursor']}"))
    assert second["items"][0]["event"]["id"] == f"e{EVENTS - 100}"
    assert recorder.rows_read < 1000, recorder.seen
