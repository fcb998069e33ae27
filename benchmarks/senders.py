"""Whoever sends batches of usage to a web server for a benchmark, and what processor time that takes of each party."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection

BATCH, SENDERS, SUBJECTS = 100, 8, 200
MODELS = ("gpt-4", "gpt-3.5", "small")
BARE = "benchmarks.bare:application()"
_SPAN = 7200


@contextmanager
def web_server(application: str = "billing_site.wsgi", database: str | None = None) -> Iterator[int]:
    """The web server as `countinghouse serve` starts it, with two workers; its port. On another database, if named."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", application, "--config", "python:billing_site.web_server"]
    command += ["--workers", "2", "--threads", "4", "--log-level", "warning", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, env=os.environ | ({} if database is None else {"DATABASE_URL": database}))
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


@dataclass(slots=True)
class Sent:
    """Acknowledged events, how long that took, how long each batch did, and the processor seconds of each party."""

    events: int = 0
    seconds: float = 0
    waits: list[float] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def of_servers(self) -> float:
        """Processor seconds of an event that are not the senders'."""
        return sum(cost for name, cost in self.spent.items() if name != "senders") / self.events

    def __str__(self) -> str:
        waits = sorted(self.waits)
        spent = ", ".join(f"{name} {1e6 * cost / self.events:.0f} us" for name, cost in self.spent.items())
        return (
            f"{self.rate:>9,.0f} events/s  median {1000 * statistics.median(waits):.0f} ms, 99 % within "
            f"{1000 * waits[len(waits) * 99 // 100]:.0f} ms; {spent} of a processor for an event"
        )


class Senders:
    """Send batches to one address, each sender over a connection of its own, and each batch when the one before was
    acknowledged. `sent` is what all of that came to."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str]) -> None:
        self.port, self.path, self.headers = port, path, headers
        self.acknowledged = [0] * SENDERS
        self.sent = Sent()

    def send(self, seconds: float, *, count: bool = True) -> None:
        """Send for so long; without `count` it is no part of what was measured."""
        waits: list[float] = []
        before, used = sum(self.acknowledged), processor_time()
        begun = time.perf_counter()
        threads = [threading.Thread(target=self._send, args=(n, begun + seconds, waits)) for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if count:
            self.sent.seconds += time.perf_counter() - begun
            self.sent.events += sum(self.acknowledged) - before
            self.sent.waits += waits
            for name, cost in processor_time().items():
                self.sent.spent[name] = self.sent.spent.get(name, 0) + cost - used[name]

    def _send(self, sender: int, until: float, waits: list[float]) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        first, times = self.acknowledged[sender], texts_of_times()
        while time.perf_counter() < until:
            body = batch_text(first, sender, times)
            begun = time.perf_counter()
            link.request("POST", self.path, body, dict(self.headers))
            answer = link.getresponse()
            answer.read()
            waits.append(time.perf_counter() - begun)
            if answer.status != 204:
                raise RuntimeError(f"The server answered {answer.status}.")
            first += BATCH
            self.acknowledged[sender] = first
        link.close()


def texts_of_times() -> Sequence[str]:
    """The seconds of the last two hours."""
    now = datetime.now(UTC).replace(microsecond=0)
    return [f"{now - timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}" for second in range(_SPAN)]


def batch_text(first: int, sender: int, times: Sequence[str]) -> bytes:
    """A batch of events of many customers, written with as little work as can be: senders share the machine with what
    is measured."""
    events = [
        f'{{"specversion":"1.0","id":"{sender}-{number}","source":"gateway","type":"prompt",'
        f'"subject":"customer-{(number * 7 + sender) % SUBJECTS}","time":"{times[number * 13 % _SPAN]}",'
        f'"data":{{"tokens":{number % 1000},"model":"{MODELS[number % 3]}","user":"user-{number % 50}"}}}}'
        for number in range(first, first + BATCH)
    ]
    return f"[{','.join(events)}]".encode()


def processor_time() -> dict[str, float]:
    """Seconds of processor time that each of the parties has used so far, whichever of the web servers and databases of
    this benchmark it was; Linux only, with PostgreSQL beside."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname ^@ (SELECT substring(current_database() from "
            "'^benchmark_[0-9]+')) AND pid <> pg_backend_pid()"
        )
        backends = [row[0] for row in cursor.fetchall()]
    mine = os.getpid()
    server = [pid for child in child_processes(mine) for pid in (child, *child_processes(child))]
    return {"senders": seconds_of([mine]), "web server": seconds_of(server), "PostgreSQL": seconds_of(backends)}


def child_processes(pid: int) -> list[int]:
    """Those that the process started and that still run; Linux only."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def seconds_of(pids: Sequence[int]) -> float:
    """The processor time of whole processes, with all their threads."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
