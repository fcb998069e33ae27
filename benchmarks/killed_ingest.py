"""Kills those who take usage in, and PostgreSQL, at random moments, and proves that nothing was lost or counted twice.

    python -m benchmarks.killed_ingest [--points 100] [--batches 2000] [--seed 1] [--web]

Two senders store batches. At each point one of the two, or PostgreSQL itself in every fourth, is ended by SIGKILL; then
what is stored is compared with what was acknowledged, and the senders send everything again that was not. In the end,
all is sent once more, and each batch is stored and counted once. Services and data are this measurement's own.

With `--web`, two senders post to a web server of two workers and never stop; at each point one of its workers, or
PostgreSQL in every fourth, is ended by SIGKILL, and whatever was not acknowledged is posted again.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from billing_site.runtime.layout import ROOT, Layout, running_state

WITHIN = 180


class Services:
    """PostgreSQL in a data folder of its own: durable, as in production."""

    def __init__(self, data: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        self.layout = Layout(data)
        self.environment = {**kept, "BILLING_DATA_DIR": str(data)}
        self.environment["DJANGO_SETTINGS_MODULE"] = "billing_site.settings.development"

    def start(self) -> None:
        """Return once they answer."""
        words = [sys.executable, "-m", "billing_site.runtime", "run", "--", "sleep", "3600"]
        self.supervisor = subprocess.Popen(words, env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL)
        limit = time.monotonic() + WITHIN
        while not running_state(self.layout).get("children"):
            assert self.supervisor.poll() is None and time.monotonic() < limit, "the services did not start"
            time.sleep(0.05)
        self.postgres: int = running_state(self.layout)["children"]["postgres"]["pid"]

    def stop(self) -> None:
        """End them, as far as they still run."""
        self.supervisor.terminate()
        self.supervisor.wait(WITHIN)


class Processes:
    """Those of `benchmarks.killed_sender`, by their numbers. They are forked from one that has loaded Django, since
    loading it takes longer than a point."""

    def __init__(self, environment: dict[str, str]) -> None:
        words = [sys.executable, "-m", "benchmarks.killed_sender"]
        self.parent = subprocess.Popen(
            words, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, *words: str) -> int:
        """Start one; its number."""
        return self._ask("start", *words)

    def wait(self, number: int) -> int:
        """Wait until it has ended; its code, which is negative for a signal."""
        return self._ask("wait", str(number))

    def kill(self, number: int) -> None:
        """End it as `kill -9` does."""
        os.kill(number, signal.SIGKILL)
        self.wait(number)

    def run(self, *words: str) -> None:
        """Run one; it has to end well."""
        code = self.wait(self.begin(*words))
        assert code == 0, f"{words[0]} ended with {code}"

    def stop(self) -> None:
        """End the one that they come from."""
        self.parent.communicate()

    def _ask(self, *words: str) -> int:
        assert self.parent.stdin is not None and self.parent.stdout is not None
        print(*words, file=self.parent.stdin, flush=True)
        return int(self.parent.stdout.readline())


def answered(journal: Path) -> int:
    """How many batches were acknowledged, each counted once."""
    return len(set(journal.read_text().split()))


def killed_ingest(points: int, batches: int, seed: int, *, judge_each: bool = True) -> None:
    """Raises AssertionError where anything was lost, doubled or half stored."""
    chance = random.Random(seed)
    data = Path(tempfile.mkdtemp(prefix="killed-")).resolve()
    data.chmod(0o755)  # PostgreSQL may run as another user
    journal = data.with_suffix(".journal")
    journal.touch()
    services = Services(data)
    services.start()
    processes = Processes(services.environment)
    try:
        processes.run("prepare")
        for point in range(points):
            done = answered(journal)
            # Both go over the same batches, so that they meet; the first of them are repeats.
            words = ("send", str(max(0, done - 3)), str(batches), str(journal))
            senders = [processes.begin(*words) for _ in range(2)]
            limit, until = time.monotonic() + WITHIN, min(batches, done + 1 + chance.randrange(8))
            while answered(journal) < until:
                assert time.monotonic() < limit, "nobody stores anything"
                time.sleep(0.005)
            time.sleep(chance.random() * 0.02)
            if point % 4 == 1:
                os.kill(services.postgres, signal.SIGKILL)
                services.stop()
                services.start()
            for sender in senders:
                processes.kill(sender)
            if judge_each:
                processes.run("judge", "0", str(journal))
        processes.run("send", "0", str(batches), str(journal))
        processes.run("judge", str(batches), str(journal))
    finally:
        processes.stop()
        services.stop()
        shutil.rmtree(data, ignore_errors=True)
        journal.unlink(missing_ok=True)


def killed_web(points: int, batches: int, seed: int) -> None:
    """Raises AssertionError where anything that was posted was lost, doubled or half stored."""
    chance = random.Random(seed)
    data = Path(tempfile.mkdtemp(prefix="killed-")).resolve()
    data.chmod(0o755)  # PostgreSQL may run as another user
    journal, key = data.with_suffix(".journal"), data.with_suffix(".key")
    journal.touch()
    services = Services(data)
    services.start()
    processes = Processes(services.environment)
    try:
        processes.run("prepare")
        processes.run("key", str(key))
        with web_server(services.environment) as (port, server):
            words = ("post", "0", str(batches), str(journal), str(key), str(port))
            senders = [processes.begin(*words) for _ in range(2)]
            for point in range(points):
                limit, until = time.monotonic() + WITHIN, answered(journal) + 1 + chance.randrange(8)
                while answered(journal) < until:
                    assert time.monotonic() < limit, "nobody takes anything"
                    time.sleep(0.005)
                assert until < batches, "all was posted before the last point: give it more batches"
                time.sleep(chance.random() * 0.02)
                if point % 4 == 1:
                    os.kill(services.postgres, signal.SIGKILL)
                    services.stop()
                    services.start()
                else:
                    os.kill(chance.choice(child_processes(server)), signal.SIGKILL)
            codes = [processes.wait(sender) for sender in senders]
            assert codes == [0, 0], codes
        processes.run("judge", str(batches), str(journal))
    finally:
        processes.stop()
        services.stop()
        shutil.rmtree(data, ignore_errors=True)
        journal.unlink(missing_ok=True)
        key.unlink(missing_ok=True)


@contextmanager
def web_server(environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The web server with two workers; its port and the process that starts them anew."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "billing_site.wsgi", "--config", "python:billing_site.web_server"]
    command += ["--workers", "2", "--threads", "4", "--log-level", "critical", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, env=environment | {"API_RATE_LIMIT": ""}, cwd=ROOT)
    try:
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(WITHIN)


def child_processes(pid: int) -> list[int]:
    """Those that the process has started and that still run; Linux only."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    """Say how it went."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--web", action="store_true", help="kill workers of a web server that is posted to")
    given = parser.parse_args()
    if given.web:
        killed_web(given.points, given.batches, given.seed)
    else:
        killed_ingest(given.points, given.batches, given.seed)
    print(f"{given.points} kills: each acknowledged batch was stored whole, and counted once.")


if __name__ == "__main__":
    main()
