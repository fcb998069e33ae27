"""Real supervisors and services in folders of their own, without Django."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from billing_site.runtime.layout import ROOT, Layout, running_state

SECONDS = 180.0  # generous: other tests run beside these


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """The first true answer of `condition`; fails after minutes."""
    limit = time.monotonic() + SECONDS
    while not (answer := condition()):
        assert time.monotonic() < limit, f"not within {SECONDS:.0f} s: {what}"
        time.sleep(0.05)
    return answer


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_that_mention(text: str) -> list[str]:
    """Command lines of running processes with `text` in them or as their working folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in command or text in str((entry / "cwd").readlink()):
                    found.append(f"{entry.name} {command}")
    return found


@dataclass
class House:
    """One data folder and the runtime commands on it."""

    data: Path
    environment: dict[str, str]
    prefix: tuple[str, ...] = ()
    python: str = sys.executable
    folder: Path = ROOT
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        return Layout(self.data)

    def command(self, *words: str) -> list[str]:
        return [*self.prefix, self.python, "-m", "billing_site.runtime", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a runtime command to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a runtime command and return at once."""
        process = subprocess.Popen(
            self.command(*words),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def begin_services(self) -> subprocess.Popen[str]:
        """Start the services under a command that sleeps; return once they answer."""
        process = self.begin("run", "--", "sleep", "600")
        self.state(process)
        return process

    def state(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """What the running supervisor wrote down, once it has."""

        def read() -> dict[str, Any]:
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            state = running_state(self.layout)
            return state if state.get("children") else {}

        return wait_until(read, "the supervisor writes down where its services are")

    def connect(self) -> psycopg.Connection[Any]:
        """A connection to this folder's database."""
        return self.connect_to("countinghouse")

    def connect_to(self, name: str) -> psycopg.Connection[Any]:
        """A connection to another database of this folder's PostgreSQL."""
        return psycopg.connect(
            host=str(self.layout.sockets), port=5432, user="countinghouse", dbname=name, autocommit=True
        )


def environment_for(data: Path) -> dict[str, str]:
    """Our environment without given services, for this data folder."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return {**kept, "BILLING_DATA_DIR": str(data)}


@contextlib.contextmanager
def houses() -> Iterator[Callable[..., House]]:
    """Makes data folders with the runtime on them; whatever a failed test left running is ended afterwards."""
    made: list[House] = []
    folders: list[Path] = []

    def make(**overrides: Any) -> House:
        # Not under pytest's own temporary folder, which other users can't enter.
        folder = Path(tempfile.mkdtemp(prefix="house-")).resolve()
        folder.chmod(0o755)
        folders.append(folder)
        data = overrides.pop("data", folder / "data")
        house = House(data=data, environment=environment_for(data), **overrides)
        made.append(house)
        return house

    yield make
    for house in made:
        for process in house.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
            if process.stdout:
                process.stdout.close()
            process.wait()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_data(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A data folder whose database has every table, at rest: a start takes half as long on a copy. Made by the first
    of the workers that needs it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "migrated"
    with folder.with_suffix(".lock").open("a") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        if not folder.exists():
            with houses() as make:
                house = make()
                done = house.run("run", "--", sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0")
                assert done.returncode == 0, done.stderr
                copy_data(house.data, folder)
    return folder


def copy_data(data: Path, folder: Path) -> None:
    """Copy a data folder whose services are stopped; its files stay their users'."""
    subprocess.run(["cp", "-a", str(data), str(folder)], check=True)


@pytest.fixture
def make_house() -> Iterator[Callable[..., House]]:
    """Makes data folders with the runtime on them."""
    with houses() as make:
        yield make


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """One data folder with the runtime on it."""
    return make_house()


@pytest.fixture
def migrated_house(make_house: Callable[..., House], migrated_data: Path) -> House:
    """One data folder with the runtime on it, and every table in its database."""
    house = make_house()
    copy_data(migrated_data, house.data)
    return house
