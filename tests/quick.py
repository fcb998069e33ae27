"""Runs some tests as fast as a second try should be: `python -m tests.quick PYTEST-ARGUMENTS`, or `make quick`.

PostgreSQL and Redis stay up between runs, in a data folder of their own, until nobody has used them for a while. The
database is migrated once for what the migration files say; each run begins with a copy of that one, so nothing that a
run leaves behind, even one that was killed, reaches the next. Plugins of pytest that take longer to import than most
tests take to run are left out. `make test` does none of this.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from billing_site.runtime.layout import ROOT, Layout, data_dir, running_state

IDLE_SECONDS = 1800
DATABASE = "quick"
# As pytest's entry points name them. Hypothesis' and schemathesis' own tests run without theirs, which only report.
SLOW_PLUGINS = ("schemathesis", "hypothesispytest", "anyio", "platformdirs", "xdist", "xdist.looponfail")
_STARTS_WITHIN = 120.0
_KEPT_DATABASES = 3  # migrated ones: going back and forth between two branches makes none anew


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the tests, or stop the services with `--stop`; end with the exit code."""
    layout = Layout(quick_folder(data_dir()))
    if list(arguments) == ["--stop"]:
        sys.exit(stop(layout))
    if not arguments:
        sys.exit("Say which tests: make quick ARGS='tests/services/test_guards.py -k touch'. All of them: make test.")
    run(layout, arguments)


def run(layout: Layout, arguments: Sequence[str]) -> NoReturn:
    """Become pytest, on a fresh copy of the migrated database."""
    layout.data.mkdir(parents=True, exist_ok=True)
    in_use = layout.in_use.open("a")
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("Another run uses these services; waiting for its end.\n")
        fcntl.flock(in_use, fcntl.LOCK_EX)
    os.utime(layout.in_use)
    environment = {**os.environ, **addresses(layout), "BILLING_DATA_DIR": str(layout.data)}
    template = copy_database(environment, migrations_fingerprint(ROOT))
    # The lock goes on with pytest, which takes our place, and ends with it.
    os.set_inheritable(in_use.fileno(), True)
    without = [word for name in SLOW_PLUGINS for word in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "--reuse-db", *without, *arguments]
    os.chdir(ROOT)
    environment |= {"BILLING_TEST_DATABASE": DATABASE, "BILLING_TEST_TEMPLATE": template}
    os.execve(command[0], command, environment)


def quick_folder(data: Path) -> Path:
    """The folder of the kept services: beside the data folder, never that one itself."""
    return data.with_name(f"{data.name}-quick")


def migrations_fingerprint(root: Path) -> str:
    """A name for what all migrations say: another as soon as one is added, changed or removed."""
    digest = hashlib.sha256()
    for path in sorted(root.glob("*/**/migrations/*.py")):
        if ".venv" not in path.parts:
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def addresses(layout: Layout) -> dict[str, str]:
    """Where PostgreSQL and Redis are: given by the environment, or kept for us, and started where they are not."""
    given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
    if len(given) == 2:
        return given
    state = running_state(layout) or start_keeper(layout)
    return {"DATABASE_URL": state["database_url"], "REDIS_URL": state["redis_url"], **given}


def start_keeper(layout: Layout) -> dict[str, Any]:
    """Start the services in the background, to outlive us; what their supervisor wrote down."""
    layout.logs.mkdir(exist_ok=True)
    log = layout.logs / "keep.log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "billing_site.runtime", "keep", "--idle", str(IDLE_SECONDS)],
            cwd=ROOT,
            env={**os.environ, "BILLING_DATA_DIR": str(layout.data)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    limit = time.monotonic() + _STARTS_WITHIN
    while not (state := running_state(layout)):
        if keeper.poll() is not None or time.monotonic() > limit:
            sys.exit(f"PostgreSQL and Redis didn't start, so no test was run. {log} says:\n{log.read_text()}")
        time.sleep(0.05)
    return state


def copy_database(environment: dict[str, str], fingerprint: str) -> str:
    """Replace our database by a copy of the migrated one, which is made where it is not there yet; the name of that."""
    migrated = f"migrated_{fingerprint}"
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, 'migrated_') ORDER BY oid DESC"
        )
        there = [str(row[0]) for row in names]
        if migrated not in there:
            sys.stderr.write("Migrating a database for these tests, once for these migrations.\n")
            make_migrated(connection, environment, migrated)
            for old in there[_KEPT_DATABASES - 1 :]:
                connection.execute(sql.SQL("DROP DATABASE {old} WITH (FORCE)").format(old=sql.Identifier(old)))
        _make(connection, DATABASE, template=migrated)
    return migrated


def make_migrated(connection: psycopg.Connection[Any], environment: Mapping[str, str], name: str) -> None:
    """Make an empty database of this name with every table, to be copied, on the server of `DATABASE_URL`. Ends the
    process where a migration fails."""
    # Under another name until it is complete: an interrupted one is made again.
    making = f"{name}_unfinished"
    _make(connection, making)
    _migrate({**environment, "DATABASE_URL": _with_database(environment["DATABASE_URL"], making)})
    connection.execute(
        sql.SQL("ALTER DATABASE {making} RENAME TO {name}").format(
            making=sql.Identifier(making), name=sql.Identifier(name)
        )
    )


def _make(connection: psycopg.Connection[Any], name: str, *, template: str = "template1") -> None:
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)").format(**names))
    connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy").format(**names))


def _migrate(environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, "DJANGO_SETTINGS_MODULE": "billing_site.settings.test"}, check=False
    )
    if done.returncode:
        sys.exit("The migrations failed, so no test was run.")


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def stop(layout: Layout) -> int:
    """Stop the kept services, if they run."""
    if not running_state(layout):
        return 0
    return subprocess.run(
        [sys.executable, "-m", "billing_site.runtime", "stop"],
        cwd=ROOT,
        env={**os.environ, "BILLING_DATA_DIR": str(layout.data)},
        check=False,
    ).returncode


if __name__ == "__main__":
    main(sys.argv[1:])
