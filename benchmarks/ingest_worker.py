"""The processes of `benchmarks.ingest`: each measures one thing in the database that it is given."""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django first
from django.db import connection  # noqa: E402

from benchmarks.goals import GROWN, HTTP, IMPORT, at_least, at_most  # noqa: E402
from benchmarks.senders import BARE, BATCH, MODELS, Senders, batch_text, seconds_of, texts_of_times, web_server  # noqa: E402
from billing_site.access.services.create_api_key import create_api_key  # noqa: E402
from customers.attribution import Attribution  # noqa: E402
from entitlements.metering.create_meter import create_meter  # noqa: E402
from entitlements.metering.ingest_events import ingest_events  # noqa: E402
from entitlements.metering.usage import UsageRequest, reading_of, usage_of  # noqa: E402
from entitlements.models import Feature, Meter, UsageEvent  # noqa: E402

TURN = 4.0
WHOLE = "whole month"


def make_meters(count: int) -> list[Meter]:
    """A sum by model; then a count, and the customers' different users."""
    kinds = (("SUM", "$.tokens"), ("COUNT", None), ("UNIQUE_COUNT", "$.user"))
    return [
        create_meter(
            key=f"m{number}", event_type="prompt", aggregation=kind, value_property=path, group_by={"model": "$.model"}
        )
        for number, (kind, path) in enumerate(kinds[:count])
    ]


def over_http(meters: int, seconds: float) -> None:
    """Senders post batches by turns here and to a bare view that only inserts them into a database like this one."""
    make_meters(meters)
    token = create_api_key(name="Benchmark", scopes=["*"])[1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
    with web_server() as port, web_server(BARE, os.environ["PLAIN_DATABASE_URL"]) as plain_port:
        ours, plain = Senders(port, "/api/v1/events", headers), Senders(plain_port, "/events", {})
        for each in (ours, plain):
            each.send(2, count=False)
        turns = max(2, round(seconds / TURN))
        for _ in range(turns):
            for each in (plain, ours):
                each.send(seconds / turns)
    stored = UsageEvent.objects.count()
    assert stored == sum(ours.acknowledged), (stored, sum(ours.acknowledged))
    print(f"plain insert        {plain.sent}")
    print(f"http      {meters} meters  {ours.sent}; {stored:,} acknowledged, as many stored")
    print(
        f"ratio     {meters} meters  {at_least(ours.sent.rate / plain.sent.rate, HTTP)}; of the processor time of web "
        f"server and PostgreSQL {plain.sent.of_servers / ours.sent.of_servers:.2f}",
        flush=True,
    )
    say_sizes()
    prove()


def alone(meters: int, seconds: float) -> None:
    """One process, without HTTP: what Python and PostgreSQL take for a batch."""
    make_meters(meters)
    times = texts_of_times()
    batches = [json.loads(batch_text(number * BATCH, 0, times)) for number in range(3000)]
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
    return seconds_of([pid]), float(log)


def bulk(meters: int, seconds: float) -> None:
    """The import of a file of 400,000 events, and of the same once more; before and after it, the plain insert."""
    make_meters(meters)
    with tempfile.TemporaryDirectory() as folder, web_server(BARE, os.environ["PLAIN_DATABASE_URL"]) as plain_port:
        path = Path(folder) / "events.ndjson"
        times = texts_of_times()
        with path.open("w") as file:
            for number in range(0, 400_000, BATCH):
                file.writelines(json.dumps(event) + "\n" for event in json.loads(batch_text(number, 0, times)))
        plain = Senders(plain_port, "/events", {})
        plain.send(2, count=False)
        plain.send(seconds / 3)
        rates = {}
        for what in ("import", "again"):
            begun = time.perf_counter()
            call_command("import_events", str(path), verbosity=0)
            rates[what] = 400_000 / (time.perf_counter() - begun)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{what:<9} {meters} meters  {rates[what]:>9,.0f} events/s  peak {peak:.0f} MiB", flush=True)
            plain.send(seconds / 3)
    assert UsageEvent.objects.count() == 400_000
    print(f"plain insert        {plain.sent.rate:>9,.0f} events/s")
    print(f"ratio     {meters} meters  {at_least(rates['import'] / plain.sent.rate, IMPORT)}", flush=True)
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
        (WHOLE, month),
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
            # What a cut hour costs is by the events in it, and no goal.
            ratio = at_most(middle / fastest, GROWN) if name == WHOLE else f"{middle / fastest:.2f}"
            print(f"read      {name}: {found[subject].events:>9,} events  {1000 * middle:.2f} ms, ratio {ratio}")
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
