"""What all tests share: the tools that some of them need, and how a parallel run goes (`serial_last`)."""

import contextlib
import fcntl
import gc
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker

from billing_site.backoffice.roles import sync_roles
from billing_site.runtime.wiring import database_url
from tests.quick import make_migrated
from tests.serial_last import (
    pytest_collection_modifyitems,
    pytest_configure_node,
    pytest_xdist_auto_num_workers,
    pytest_xdist_make_scheduler,
)
from tests.support.empty_tables import fast_flush
from tests.support.fake_stripe import FakeStripe, running

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_configure_node",
    "pytest_xdist_auto_num_workers",
    "pytest_xdist_make_scheduler",
]

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
NEEDS = {
    "browser": (CHROMIUM, "Chromium is not installed (Debian: apt install chromium)"),
    "clickhouse": (importlib.util.find_spec("chdb"), "chdb is not installed (pip install -r requirements-dev.txt)"),
    "node": (shutil.which("node") and shutil.which("npm"), "Node.js with npm is not installed"),
}


def pytest_configure() -> None:
    """Python looks for reference cycles less often: each full search goes through half a million objects, nearly all of
    which are what was imported, and these searches took one second of twenty."""
    gc.set_threshold(10_000, 10, 20)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test whose tool is missing is skipped on a developer's machine and fails where REQUIRE_ALL=1."""
    for marker, (found, reason) in NEEDS.items():
        if item.get_closest_marker(marker) and not found:
            if os.environ.get("REQUIRE_ALL") == "1":
                pytest.fail(f"{reason}, and REQUIRE_ALL=1 allows no skip.", pytrace=False)
            pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program."""
    assert CHROMIUM, "mark the test with @pytest.mark.browser"
    return Path(CHROMIUM)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a database with every table and nothing in them, to be copied. In a parallel run it is one for all
    workers, which the first that needs it migrates."""
    if kept := os.environ.get("BILLING_TEST_TEMPLATE"):
        yield kept
        return
    is_worker = hasattr(request.config, "workerinput")
    # The workers are the controller's children, and it drops what carries its number.
    name = migrated_name(os.getppid() if is_worker else os.getpid())
    with (tmp_path_factory.getbasetemp().parent / "migrated_database.lock").open("a") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        server = database_url()
        with psycopg.connect(server, autocommit=True) as link:
            if not link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                make_migrated(link, {**os.environ, "DATABASE_URL": server}, name)
    yield name
    if not is_worker:
        drop_database(name)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, django_db_keepdb: bool, request: pytest.FixtureRequest
) -> None:
    """In a parallel run all workers' databases are copies of one."""
    if hasattr(request.config, "workerinput") and not django_db_keepdb:
        connection.settings_dict["TEST"]["TEMPLATE"] = request.getfixturevalue("migrated_database")


def migrated_name(controller: int) -> str:
    """The database that the workers of this controller (a process' number) copy."""
    return f"migrated_for_{controller}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The controller drops what its workers copied, unless the services went with them."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses", default=None):
        return
    with contextlib.suppress(psycopg.OperationalError):
        drop_database(migrated_name(os.getpid()))


def drop_database(name: str) -> None:
    with psycopg.connect(database_url(), autocommit=True) as link:
        link.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, free of strangers when it is dropped: threads of a test server may still hold connections."""
    with django_db_blocker.unblock():
        sync_roles()  # what is copied may be older than they are
    with fast_flush():
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def fake(settings: Any) -> Iterator[FakeStripe]:
    """A Stripe of our own making, which all apps of the test talk to."""
    fake = FakeStripe()
    with running(fake) as address:
        settings.STRIPE_API_BASE = address
        yield fake
