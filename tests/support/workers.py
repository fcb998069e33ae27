"""Starts a worker on a profile migration as a process of its own, and knows when it is in the middle of a batch."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection

from core import clock
from invoicing.models import MigrationShard
from tests.support.moves import MOVE


@contextmanager
def worker_process(shard: MigrationShard, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Works off the shard at the time of the move; to be told to go on after each batch, on its standard input."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.concurrency.migration_worker"),
            *(str(shard.id), MOVE.isoformat(), connection.settings_dict["NAME"]),
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


def wait_until_blocked() -> None:
    """Until another connection waits for the target's row, in the middle of its batch."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock' AND query LIKE '%customers_billingprofile%'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody came to the target's row")


def expire_lease(shard: MigrationShard) -> None:
    """As if its worker had been silent for too long."""
    MigrationShard.objects.filter(pk=shard.pk).update(lease_until=clock.real_now() - timedelta(seconds=1))
