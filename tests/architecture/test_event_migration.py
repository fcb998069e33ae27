"""Partitioning the events carries each of them over and back, with its key, wherever in time it lies."""

import os

import psycopg
import pytest

from benchmarks.database import address, created
from billing_site.runtime.wiring import database_url
from tests.architecture.test_migrations import migrate

FILL = """
    INSERT INTO entitlements_usageevent (id, source, external_id, type, subject, time, data, ingested_at)
    SELECT gen_random_uuid(), 's' || n % 3, 'e' || n, 'usage', 'acme', now() - interval '1 day' * n,
        '{"amount": 1.10}'::jsonb, now()
    FROM generate_series(1, 300) n
    UNION ALL SELECT gen_random_uuid(), 'ahead', 'e', 'usage', 'acme', '2999-01-01', NULL, now()
"""
EVENTS = """
    SELECT id, source, external_id, type, subject, time, data, ingested_at
    FROM entitlements_usageevent ORDER BY id
"""
KEYS = "SELECT stored_as, source, event_id, time FROM entitlements_usageeventkey ORDER BY stored_as"
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = 'entitlements_usageevent' ORDER BY indexdef"
PLACES = """
    SELECT replace(tableoid::regclass::text, 'entitlements_usageevent_', ''), count(*)
    FROM entitlements_usageevent GROUP BY 1 ORDER BY 1
"""


def rows(url, sql):
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()


def run(url, sql):
    with psycopg.connect(url) as connection:
        connection.execute(sql)


@pytest.mark.serial
def test_events_go_into_partitions_and_back():
    server, name = database_url(), f"events_back_{os.getpid()}"
    with created(server, name):
        url = address(server, name)
        migrate(url, "auth")
        migrate(url, "entitlements", "0002_entitlements")
        run(url, FILL)
        before, indexes = rows(url, EVENTS), rows(url, INDEXES)
        migrate(url, "entitlements")
        assert rows(url, EVENTS) == before
        assert rows(url, KEYS) == [(row[0], row[1], row[2], row[5]) for row in before]
        assert rows(url, PLACES) == [("before", 300), ("rest", 1)]
        # What came in later lies in the rest until a month is made; all of it comes back.
        run(
            url,
            "INSERT INTO entitlements_usageevent (id, source, external_id, type, subject, time, ingested_at)"
            " VALUES (gen_random_uuid(), 'new', 'e', 'usage', 'acme', now() + interval '70 days', now())",
        )
        assert rows(url, "SELECT seq FROM entitlements_usageevent WHERE source = 'new'") == [(1,)]
        later = rows(url, EVENTS)
        migrate(url, "entitlements", "0002_entitlements")
        assert rows(url, EVENTS) == later
        assert rows(url, INDEXES) == indexes
        with pytest.raises(psycopg.errors.UniqueViolation):
            run(url, f"INSERT INTO entitlements_usageevent {EVENTS.replace('id,', 'gen_random_uuid(),', 1)}")
