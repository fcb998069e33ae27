"""Partition the events by month, and let their keys stand in a table of their own.

What is there becomes one partition, for all time up to the end of the next month: nothing is copied but the keys, fifty
thousand at a time, while events go on coming in. The table is locked at the very end, for as long as it takes to copy
the keys of the last moment and to give tables other names. A run that was broken off goes on where it was. Meters get
rollups that are still to be built: until they are whole, usage is read off the events.

Taken back, the largest month is the table again, with its indexes; the table is locked for as long as it takes to copy
the other months into it.
"""

import time
import uuid

from django.db import migrations, transaction

EVENTS, BEFORE, REST = "entitlements_usageevent", "entitlements_usageevent_before", "entitlements_usageevent_rest"
KEYS = "entitlements_usageeventkey"
COLUMNS = "id, source, external_id, type, subject, time, data, ingested_at"
CHUNK = 50_000
# The month that begins meanwhile is in as well, so that what comes in during the migration never lies beyond.
UNTIL = "SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC'"
CLAIM = f"INSERT INTO {KEYS} (source, event_id, stored_as, time) SELECT source, external_id, id, time"
INDEXES = {
    "event_by_subject": "(subject, type, time)",
    "event_by_time": "(time DESC, id DESC)",
}
UNIQUE = {"entitlements_usageevent_pkey": "(id)", "event_is_stored_once": "(source, external_id)"}


def forwards(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        # Ids hold the time in milliseconds: what is stored from now on can be found by them.
        since = uuid.UUID(int=(int(time.time() * 1000) - 600_000) << 80)
        _claim_keys(cursor)
        cursor.execute(UNTIL)
        until = cursor.fetchone()[0]
        cursor.execute(f"ALTER TABLE {EVENTS} ADD COLUMN IF NOT EXISTS seq bigint NOT NULL DEFAULT 0")
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {BEFORE}_pkey")
        cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {BEFORE}_pkey ON {EVENTS} (id, time)")
        # Validated now, it spares a scan of the whole table under the lock. What a clock far ahead has sent lies apart.
        cursor.execute(f"ALTER TABLE {EVENTS} DROP CONSTRAINT IF EXISTS event_lies_before")
        cursor.execute(f"ALTER TABLE {EVENTS} ADD CONSTRAINT event_lies_before CHECK (time < %s) NOT VALID", [until])
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {REST} (LIKE {EVENTS})")
        cursor.execute(
            f"WITH ahead AS (DELETE FROM {EVENTS} WHERE time >= %s RETURNING {COLUMNS}) "
            f"INSERT INTO {REST} ({COLUMNS}, seq) SELECT {COLUMNS}, 0 FROM ahead",
            [until],
        )
        cursor.execute(f"ALTER TABLE {EVENTS} VALIDATE CONSTRAINT event_lies_before")
        with transaction.atomic(using=connection.alias):
            cursor.execute(f"LOCK TABLE {EVENTS} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"{CLAIM} FROM {EVENTS} WHERE id >= %s ON CONFLICT DO NOTHING", [since])
            _partition(cursor, until)


def _claim_keys(cursor):
    """The keys of all events there are, in chunks of their own transactions."""
    last = "00000000-0000-0000-0000-000000000000"
    while last is not None:
        cursor.execute(
            f"WITH chunk AS (SELECT {COLUMNS} FROM {EVENTS} WHERE id > %s ORDER BY id LIMIT {CHUNK}), "
            f"claimed AS ({CLAIM} FROM chunk ON CONFLICT DO NOTHING) "
            "SELECT id FROM chunk ORDER BY id DESC LIMIT 1",
            [last],
        )
        row = cursor.fetchone()
        last = row and row[0]


def _partition(cursor, until):
    cursor.execute(f"ALTER TABLE {EVENTS} DROP CONSTRAINT event_is_stored_once")
    cursor.execute(f"ALTER TABLE {EVENTS} DROP CONSTRAINT entitlements_usageevent_pkey")
    cursor.execute(
        f"ALTER TABLE {EVENTS} ADD CONSTRAINT {BEFORE}_pkey PRIMARY KEY USING INDEX entitlements_usageevent_before_pkey"
    )
    cursor.execute(f"ALTER TABLE {EVENTS} RENAME TO entitlements_usageevent_before")
    for name in INDEXES:
        cursor.execute(f"ALTER INDEX {name} RENAME TO {name}_before")
    cursor.execute("CREATE SEQUENCE entitlements_usageevent_seq")
    cursor.execute(f"CREATE TABLE {EVENTS} (LIKE {BEFORE}) PARTITION BY RANGE (time)")
    cursor.execute(f"ALTER TABLE {EVENTS} ALTER seq SET DEFAULT nextval('entitlements_usageevent_seq')")
    cursor.execute(f"ALTER SEQUENCE entitlements_usageevent_seq OWNED BY {EVENTS}.seq")
    cursor.execute(f"ALTER TABLE {EVENTS} ADD PRIMARY KEY (id, time)")
    for name, columns in INDEXES.items():
        cursor.execute(f"CREATE INDEX {name} ON {EVENTS} {columns}")
    cursor.execute(f"ALTER TABLE {EVENTS} ATTACH PARTITION {BEFORE} FOR VALUES FROM (MINVALUE) TO (%s)", [until])
    cursor.execute(f"ALTER TABLE {BEFORE} DROP CONSTRAINT event_lies_before")
    cursor.execute(f"ALTER TABLE {EVENTS} ATTACH PARTITION {REST} DEFAULT")
    cursor.execute(
        """
        INSERT INTO entitlements_meterrollup (meter_id, paths, watermark)
        SELECT id, ARRAY(SELECT DISTINCT value FROM jsonb_each_text(group_by) ORDER BY value), 0
        FROM entitlements_meter WHERE deleted_at IS NULL
        """
    )


def backwards(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        # The largest partition becomes the table; the others are copied into it. What it lacks is made ahead, while
        # events come in.
        cursor.execute(
            f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{EVENTS}'::regclass "
            "ORDER BY pg_relation_size(inhrelid) DESC, inhrelid::regclass::text LIMIT 1"
        )
        largest = cursor.fetchone()[0]
        for name, columns in UNIQUE.items():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_back")
            cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name}_back ON {largest} {columns}")
        with transaction.atomic(using=connection.alias):
            cursor.execute(f"LOCK TABLE {EVENTS} IN ACCESS EXCLUSIVE MODE")
            _in_one(cursor, largest)
            cursor.execute("DELETE FROM entitlements_meterrollup")
            cursor.execute(f"TRUNCATE {KEYS}, entitlements_usagerollup")


def _in_one(cursor, largest):
    cursor.execute(
        "SELECT parent.relname, child.relname FROM pg_inherits JOIN pg_class parent ON parent.oid = inhparent "
        "JOIN pg_class child ON child.oid = inhrelid JOIN pg_index i ON i.indexrelid = inhrelid "
        "WHERE i.indrelid = %s::regclass AND parent.relname = ANY(%s)",
        [largest, list(INDEXES)],
    )
    kept = cursor.fetchall()
    cursor.execute(f"ALTER TABLE {EVENTS} DETACH PARTITION {largest}")
    cursor.execute(f"INSERT INTO {largest} ({COLUMNS}) SELECT {COLUMNS} FROM {EVENTS}")
    cursor.execute(f"ALTER TABLE {largest} ALTER seq DROP DEFAULT")
    cursor.execute(f"DROP TABLE {EVENTS}")
    cursor.execute(f"ALTER TABLE {largest} RENAME TO {EVENTS}")
    cursor.execute(f"SELECT conname FROM pg_constraint WHERE contype IN ('p', 'c') AND conrelid = '{EVENTS}'::regclass")
    for (name,) in cursor.fetchall():
        cursor.execute(f"ALTER TABLE {EVENTS} DROP CONSTRAINT {name}")
    for name, index in kept:
        cursor.execute(f"ALTER INDEX {index} RENAME TO {name}")
    cursor.execute(f"ALTER TABLE {EVENTS} DROP COLUMN seq")
    for name, kind in (("entitlements_usageevent_pkey", "PRIMARY KEY"), ("event_is_stored_once", "UNIQUE")):
        cursor.execute(f"ALTER TABLE {EVENTS} ADD CONSTRAINT {name} {kind} USING INDEX {name}_back")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("entitlements", "0003_usage_rollups")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(forwards, backwards)],
            state_operations=[migrations.RemoveConstraint(model_name="usageevent", name="event_is_stored_once")],
        ),
        # Rows of rollups are rewritten again and again: room on each page keeps that off the indexes.
        migrations.RunSQL(
            "ALTER TABLE entitlements_usagerollup SET (fillfactor = 70)",
            "ALTER TABLE entitlements_usagerollup RESET (fillfactor)",
        ),
    ]
