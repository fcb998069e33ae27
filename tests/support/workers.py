"""Starts a worker on a shard as a process of its own, and knows when it is in the middle of a batch."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from core.leases import lease_end
from invoicing.models import MigrationShard, ParkedCustomer, RunShard


@contextmanager
def worker_process(
    shard: MigrationShard | RunShard, at: datetime, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Works off the shard of a migration or of a run at that time; to be told to go on after each batch, on its
    standard input."""
    kind = "migration_worker" if isinstance(shard, MigrationShard) else "worker"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", f"tests.concurrency.{kind}"),
            *(str(shard.id), at.isoformat(), connection.settings_dict["NAME"]),
        ],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "billing_site.settings.test", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def environment_of_tests() -> dict[str, str]:
    """The environment of a process that works on the test's own database and broker."""
    name = str(connection.settings_dict["NAME"])
    address = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    return {**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "billing_site.settings.test"}


def wait_until_blocked(table: str) -> None:
    """Until another connection waits for a row of `table`, in the middle of its batch."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Within a transaction PostgreSQL would show the same picture again and again.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock' AND strpos(query, %s) > 0",
                [table],
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody came to {table}")


def expire_lease(shard: MigrationShard | ParkedCustomer | RunShard) -> None:
    """As if its worker had been silent for too long."""
    type(shard).objects.filter(pk=shard.pk).update(lease_until=lease_end(timedelta(seconds=-1)))
