"""Where things lie: the data folder, what is in it, and the file that tells where the running services are."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

# A socket's path may have 107 bytes on Linux and 103 on macOS, `/.s.PGSQL.5432.lock` included.
LONGEST_SOCKET_FOLDER = 80


def data_dir() -> Path:
    """The folder that holds all local state: `BILLING_DATA_DIR`, else `.data` in the checkout.

    Root's PostgreSQL runs as another user. When that user can't enter the checkout (root's home is closed to others),
    the default is a folder of this checkout's own under `/var/lib/countinghouse`. A folder that was asked for is never
    replaced by another.
    """
    chosen = os.environ.get("BILLING_DATA_DIR")
    if chosen:
        return Path(chosen).resolve()
    if os.geteuid() == 0 and not all(folder.stat().st_mode & 0o001 for folder in (ROOT, *ROOT.parents)):
        return Path("/var/lib/countinghouse") / f"{ROOT.name}-{fingerprint(ROOT)}"
    return ROOT / ".data"


def fingerprint(path: Path) -> str:
    """A short name for a path, the same at each call."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places inside one data folder."""

    data: Path

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    @property
    def in_use(self) -> Path:
        return self.data / "in-use"

    @property
    def state(self) -> Path:
        return self.data / "runtime.json"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def redis(self) -> Path:
        return self.data / "redis"

    @property
    def beat(self) -> Path:
        return self.data / "beat"

    @property
    def binaries(self) -> Path:
        """PostgreSQL's programs, copied here only when its user can't enter the folder that they are installed in."""
        return self.data / "postgres-programs"

    @property
    def sockets(self) -> Path:
        """PostgreSQL's socket folder: in the data folder, unless that path is too long or libpq would parse it."""
        folder = self.data / "sock"
        plain = all(character.isalnum() or character in "/._-" for character in str(folder))
        if plain and len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
            return folder
        return Path(tempfile.gettempdir()) / f"countinghouse-{fingerprint(self.data)}"

    @property
    def database_url(self) -> str:
        """The embedded database's address."""
        return f"postgres://countinghouse@:5432/countinghouse?host={self.sockets}"


def process_started(pid: int) -> str | None:
    """When the process started, as its system tells it: with the number, it names one process for good. None: gone."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def read_state(layout: Layout) -> dict[str, Any]:
    """What the last supervisor of this folder wrote down, dead or alive; empty when there is nothing to read."""
    try:
        state = json.loads(layout.state.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def running_state(layout: Layout) -> dict[str, Any]:
    """What the supervisor that runs right now wrote down; empty when none runs."""
    state = read_state(layout)
    if state and process_started(state["pid"]) == state["started"]:
        return state
    return {}


def write_state(layout: Layout, state: dict[str, Any]) -> None:
    """Replace the state file in one step, readable by its owner alone (it holds Redis' password)."""
    temporary = layout.state.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(state, file, indent=1)
    temporary.replace(layout.state)
