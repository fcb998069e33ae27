"""The processes of `benchmarks.close`: one prepares the customers, others work the close off and measure themselves."""

import argparse
import cProfile
import json
import os
import pstats
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from psycopg import Cursor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.db import connection, transaction  # noqa: E402 - Django first

from benchmarks.customers import make_customers, months_later  # noqa: E402
from core import clock  # noqa: E402
from invoicing.choices import RunTrigger  # noqa: E402
from invoicing.closing import assemble, store  # noqa: E402
from invoicing.models import Invoice, RunShard  # noqa: E402
from invoicing.rating import prorated_fee  # noqa: E402
from invoicing.runs import work_shard as work  # noqa: E402
from invoicing.runs.start_run import start_run  # noqa: E402


class Meters:
    """Counts the statements that go to the server, and adds up the seconds spent in single functions."""

    def __init__(self) -> None:
        self.queries = 0
        self.seconds: dict[str, float] = {}
        self.statements: dict[str, list[float]] = defaultdict(list)

    def count(self, execute: Callable[..., Any], statement: str, *rest: Any) -> Any:
        self.queries += 1
        begun = time.perf_counter()
        try:
            return execute(statement, *rest)
        finally:
            self.statements[statement].append(time.perf_counter() - begun)

    def timed(self, module: Any, name: str) -> None:
        """Have `module` call its function `name` through a stop-watch."""
        function, now = getattr(module, name), time.perf_counter
        self.seconds[name] = 0.0

        def watched(*args: Any, **kwargs: Any) -> Any:
            begun = now()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += now() - begun

        setattr(module, name, watched)

    def held(self, module: Any, name: str) -> None:
        """Have `module` call its function `name`, and add up the time from its answer to the end of the transaction,
        for which it holds what it has locked."""
        function, now = getattr(module, name), time.perf_counter
        self.seconds[name] = 0.0

        def watched(*args: Any, **kwargs: Any) -> Any:
            answer, begun = function(*args, **kwargs), now()

            def ended() -> None:
                self.seconds[name] += now() - begun

            transaction.on_commit(ended)
            return answer

        setattr(module, name, watched)

    def count_copies(self) -> None:
        """COPY passes Django's counting by."""
        copy = Cursor.copy

        @contextmanager
        def counted(cursor: Any, statement: str) -> Iterator[Any]:
            self.queries += 1
            begun = time.perf_counter()
            with copy(cursor, statement) as writer:
                yield writer
            self.statements[statement].append(time.perf_counter() - begun)

        setattr(Cursor, "copy", counted)  # noqa: B010 - mypy forbids the plain assignment


def close(history: int, profile: bool) -> dict[str, Any]:
    """Work off every shard that is free, as a worker does; what it took."""
    moment = months_later(history + 1)
    connection.ensure_connection()
    server = _server_process()
    meters = Meters()
    meters.held(store, "take_blocks")
    meters.timed(assemble, "rate")
    meters.timed(prorated_fee, "rate")
    meters.count_copies()
    print("ready", flush=True)
    sys.stdin.readline()
    profiler = cProfile.Profile() if profile else None
    cpu, server_cpu, begun = time.process_time(), _cpu_of(server), time.perf_counter()
    if profiler:
        profiler.enable()
    with clock.frozen_at(moment), connection.execute_wrapper(meters.count):
        # With several workers, whoever comes first starts the run; the others find nobody due and its shards.
        start_run(as_of=moment, trigger=RunTrigger.SCHEDULE)
        for shard_id in list(RunShard.objects.filter(run__as_of=moment).values_list("id", flat=True)):
            work.work_shard(shard_id)
    if profiler:
        profiler.disable()
        statistics = pstats.Stats(profiler, stream=sys.stderr)
        statistics.sort_stats("tottime").print_stats(45)
        statistics.sort_stats("cumtime").print_stats(r"(core|customers|entitlements|invoicing|subscriptions)/", 60)
        _print_statements(meters)
    after = _cpu_of(server)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "server_cpu": None if after is None or server_cpu is None else after - server_cpu,
        "queries": meters.queries,
        "held": meters.seconds["take_blocks"],
        "rating": meters.seconds["rate"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _print_statements(meters: Meters) -> None:
    """The statements that took longest, as the client saw them."""
    slowest = sorted(meters.statements.items(), key=lambda item: -sum(item[1]))
    for statement, times in slowest[:25]:
        text = " ".join(statement.split())
        line = f"{1000 * sum(times):>8.0f} ms {len(times):>4} times  {text[:60]} ... {text[-100:]}"
        print(line, file=sys.stderr)


def _server_process() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _cpu_of(process: int) -> float | None:
    """Processor seconds of PostgreSQL's process for this connection; None where it runs on another machine."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def main() -> None:
    """`prepare CUSTOMERS`, `work` or `count`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("prepare", "work", "count"))
    parser.add_argument("customers", type=int, nargs="?", default=0)
    parser.add_argument("--history", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--wide", action="store_true")
    given = parser.parse_args()
    if given.verb == "prepare":
        make_customers(given.customers, history=given.history, wide=given.wide)
    elif given.verb == "work":
        print(json.dumps(close(given.history, given.profile)))
    else:
        print(Invoice.objects.filter(issued_at=months_later(given.history + 1)).count())


if __name__ == "__main__":
    main()
