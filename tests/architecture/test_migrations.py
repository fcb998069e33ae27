"""Every migration can be taken back, leaves nothing behind then, and can be applied again to the same result."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from benchmarks.database import address, created
from billing_site.runtime.wiring import database_url

ROOT = Path(__file__).resolve().parent.parent.parent
FLOORS = (
    "access",
    "invoicing",
    "subscriptions",
    "entitlements",
    "customers",
    "audit",
    "notifications",
    "outbox",
    "testclock",
)

BACK = f"""
from django.core.management import call_command
for app in {FLOORS}:
    call_command("migrate", app, "zero", verbosity=0)
"""
# Tables with their columns, and all that a migration may add to a schema beside them.
SCHEMA = """
    SELECT 'column', table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function', pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
    UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'r'
"""


def schema(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return sorted(connection.execute(SCHEMA).fetchall())


def migrate(url: str, *words: str) -> None:
    manage(url, "migrate", "--verbosity", "0", *words)


def manage(url: str, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "billing_site.settings.test"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_all_the_way_back_and_forth(migrated_database):
    server, name = database_url(), f"back_and_forth_{os.getpid()}"
    with created(server, name, template=migrated_database):
        url = address(server, name)
        before = schema(url)
        assert any(line.startswith("invoicing_invoice.number ") for _, line in before)
        # In one process: each start costs more than most steps.
        manage(url, "shell", "--verbosity", "0", "-c", BACK)
        left = [line for _, line in schema(url) if any(f"{app}_" in line for app in FLOORS)]
        assert [line for line in left if "axes_access" not in line] == []
        migrate(url)
        assert schema(url) == before
