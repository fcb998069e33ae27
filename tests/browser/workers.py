"""A Celery worker on the tests' own database and broker, as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from billing_site.celery import app

COMMAND = (
    *(sys.executable, "-W", "ignore::UserWarning:celery.platforms", "-m", "celery", "--app", "billing_site.celery"),
    *("--quiet", "worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"),
)


@contextmanager
def running_worker() -> Iterator[subprocess.Popen[bytes]]:
    """A worker that takes whatever is sent inside the block, and nothing that tests before it left behind."""
    app.control.purge()
    name = str(connection.settings_dict["NAME"])
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}")
    environment = {
        **os.environ,
        "DATABASE_URL": urlunsplit(address),
        "DJANGO_SETTINGS_MODULE": "billing_site.settings.test",
    }
    process = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
