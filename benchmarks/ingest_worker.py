"""The processes of `benchmarks.ingest`: each measures one thing in the database that it is given."""

import http.client
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django first
from django.db import connection  # noqa: E402

from billing_site.access.services.create_api_key import create_api_key  # noqa: E402
from customers.attribution import Attribution  # noqa: E402
from entitlements.metering.create_meter import create_meter  # noqa: E402
from entitlements.metering.ingest_events import ingest_events  # noqa: E402
from entitlements.metering.usage import UsageRequest, reading_of, usage_of  # noqa: E402
from entitlements.models import Feature, Meter, UsageEvent  # noqa: E402

BATCH, SENDERS, SUBJECTS = 100, 8, 200
MODELS = ("gpt-4", "gpt-3.5", "small")


def make_meters(count: int) -> list[Meter]:
    """A sum by model; then a count, and the customers' different users."""
    kinds = (("SUM", "$.tokens"), ("COUNT", None), ("UNIQUE_COUNT", "$.user"))
    return [
        create_meter(
            key=f"m{number}", event_type="prompt", aggregation=kind, value_property=path, group_by={"model": "$.model"}
        )
        for number, (kind, path) in enumerate(kinds[:count])
    ]


def events(first: int, count: int, sender: int) -> list[dict[str, Any]]:
    """Events of the last two hours, of many customers."""
    now = datetime.now(UTC).replace(microsecond=0)
    return [
        {
            "specversion": "1.0",
            "id": f"{sender}-{number}",
            "source": "gateway",
            "type": "prompt",
            "subject": f"customer-{(number * 7 + sender) % SUBJECTS}",
            "time": (now - timedelta(seconds=number * 13 % 7200)).isoformat().replace("+00:00", "Z"),
            "data": {"tokens": number % 1000, "model": MODELS[number % 3], "user": f"user-{number % 50}"},
        }
        for number in range(first, first + count)
    ]


@contextmanager
def web_server(application: str = "billing_site.wsgi") -> Iterator[int]:
    """The web server as `countinghouse serve` starts it, with two workers; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", application, "--config", "python:billing_site.web_server"]
    command += ["--workers", "2", "--threads", "4", "--log-level", "warning", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command)
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


def processor_time() -> dict[str, float]:
    """Seconds of processor time that each of the parties has used so far; Linux only, with PostgreSQL beside."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        backends = [row[0] for row in cursor.fetchall()]
    mine = os.getpid()
    server = [pid for child in child_processes(mine) for pid in (child, *child_processes(child))]
    return {
        "senders": _seconds([mine]),
        "web server": _seconds(server),
        "PostgreSQL": _seconds(backends),
    }


def child_processes(pid: int) -> list[int]:
    """Those that the process started and that still run; Linux only."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def _seconds(pids: list[int]) -> float:
    # Of the whole process, all its threads.
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def over_http(meters: int, seconds: float) -> None:
    """Senders post batches until the time is up; a batch that was not acknowledged is sent again."""
    make_meters(meters)
    token = create_api_key(name="Benchmark", scopes=["*"])[1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
    acknowledged = [0] * SENDERS
    waits: list[float] = []

    def send(sender: int, until: float) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        first = acknowledged[sender]
        while time.perf_counter() < until:
            body = json.dumps(events(first, BATCH, sender)).encode()
            begun = time.perf_counter()
            link.request("POST", "/api/v1/events", body, headers)
            answer = link.getresponse()
            answer.read()
            waits.append(time.perf_counter() - begun)
            if answer.status != 204:
                raise RuntimeError(f"The server answered {answer.status}.")
            first += BATCH
            acknowledged[sender] = first
        link.close()

    def all_send(duration: float) -> None:
        threads = [threading.Thread(target=send, args=(n, time.perf_counter() + duration)) for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with web_server() as port:
        all_send(2)
        before, waits[:] = sum(acknowledged), []
        begun, used = time.perf_counter(), processor_time()
        all_send(seconds)
        took = time.perf_counter() - begun
        spent = {name: seconds - used[name] for name, seconds in processor_time().items()}
    done = sum(acknowledged) - before
    rate = done / took
    stored = UsageEvent.objects.count()
    assert stored == sum(acknowledged), (stored, sum(acknowledged))
    waits.sort()
    print(
        f"http      {meters} meters  {rate:>9,.0f} events/s  median {1000 * statistics.median(waits):.0f} ms, "
        f"99 % within {1000 * waits[len(waits) * 99 // 100]:.0f} ms; {stored:,} acknowledged, as many stored",
        flush=True,
    )
    # What a busy machine changes least.
    print("          " + ", ".join(f"{name} {1e6 * cost / done:.0f} us" for name, cost in spent.items()) + " an event")
    say_sizes()
    prove()


def alone(meters: int, seconds: float) -> None:
    """One process, without HTTP: what Python and PostgreSQL take for a batch."""
    make_meters(meters)
    batches = [events(number * BATCH, BATCH, 0) for number in range(3000)]
    spent, written = of_postgresql()
    done, begun, cpu = 0, time.perf_counter(), time.process_time()
    for batch in batches:
        done += ingest_events(events=batch)
        if time.perf_counter() - begun > seconds:
            break
    took = time.perf_counter() - begun
    python = 1_000_000 * (time.process_time() - cpu) / done
    spent, written = (after - before for after, before in zip(of_postgresql(), (spent, written), strict=True))
    print(
        f"one alone {meters} meters  {done / took:>9,.0f} events/s  Python {python:.1f} us an event, its PostgreSQL "
        f"{1_000_000 * spent / done:.1f} us and {written / done:.0f} bytes of log",
        flush=True,
    )


def of_postgresql() -> tuple[float, float]:
    """What this connection's process, on this machine, has spent of a processor, in seconds, and where the log is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        pid, log = cursor.fetchone()
    return _seconds([pid]), float(log)


def bulk(meters: int, seconds: float) -> None:
    """The import of a file of 400,000 events, and of the same once more."""
    make_meters(meters)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.ndjson"
        with path.open("w") as file:
            for number in range(0, 400_000, BATCH):
                file.writelines(json.dumps(event) + "\n" for event in events(number, BATCH, 0))
        for what in ("import", "again"):
            begun = time.perf_counter()
            call_command("import_events", str(path), verbosity=0)
            took = time.perf_counter() - begun
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{what:<9} {meters} meters  {400_000 / took:>9,.0f} events/s  peak {peak:.0f} MiB", flush=True)
    assert UsageEvent.objects.count() == 400_000
    say_sizes()
    prove()


def read(meters: int, seconds: float) -> None:
    """A customer's month, with a thousand events, a hundred thousand and a million."""
    (meter,) = make_meters(1)
    reading = reading_of(Feature.objects.create(key="prompts", name="Prompts", meter=meter))
    month = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    day = 86_400
    for subject, count in (("small", 1_000), ("middle", 100_000), ("large", 1_000_000)):
        for first in range(0, count, 10_000):
            ingest_events(
                events=[
                    {
                        "id": f"{subject}-{number}",
                        "source": "s",
                        "type": "prompt",
                        "subject": subject,
                        "time": (month[0] + timedelta(seconds=number * (31 * day) // count)).isoformat(),
                        "data": {"tokens": 1, "model": MODELS[number % 3]},
                    }
                    for number in range(first, min(first + 10_000, count))
                ]
            )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    for name, (start, end) in (
        ("whole month", month),
        ("cut hours", (month[0] + timedelta(seconds=5000), month[1] - timedelta(seconds=5000))),
    ):
        # In turn, so that all have the same machine and the same plans.
        times: dict[str, list[float]] = {"small": [], "middle": [], "large": []}
        found = {}
        for _ in range(60):
            for subject, taken in times.items():
                begun = time.perf_counter()
                found[subject] = usage_of([UsageRequest(1, reading, [Attribution(subject)], [(start, end)])])[1]
                taken.append(time.perf_counter() - begun)
        fastest = statistics.median(times["small"])
        for subject, taken in times.items():
            middle = statistics.median(taken)
            print(
                f"read      {name}: {found[subject].events:>9,} events  {1000 * middle:.2f} ms, "
                f"ratio {middle / fastest:.2f}",
                flush=True,
            )
    say_sizes()


def say_sizes() -> None:
    """How many bytes an event takes, with its indexes, and how many rows of rollups there are for one."""
    count = UsageEvent.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT sum(pg_total_relation_size(inhrelid)), sum(pg_indexes_size(inhrelid)),
                pg_total_relation_size('entitlements_usageeventkey'),
                pg_total_relation_size('entitlements_usagerollup'),
                (SELECT count(*) FROM entitlements_usagerollup)
            FROM pg_inherits WHERE inhparent = 'entitlements_usageevent'::regclass
            """
        )
        stored, indexes, keys, rollups, rows = (int(size) for size in cursor.fetchone())
    print(
        f"size      {count:>9,} events  {stored / count:.0f} bytes each ({indexes / count:.0f} of indexes), "
        f"{keys / count:.0f} of keys; {rows:,} rows of rollups, {rows / count:.4f} an event, "
        f"{rollups / rows:.0f} bytes each",
        flush=True,
    )


def prove() -> None:
    """Every rollup equals its events."""
    call_command("prove_usage")


if __name__ == "__main__":
    {"http": over_http, "alone": alone, "bulk": bulk, "read": read}[sys.argv[1]](int(sys.argv[2]), float(sys.argv[3]))
