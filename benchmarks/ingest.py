"""Measures how fast usage comes in, and whether reading it slows down as it grows.

    python -m billing_site.runtime run -- .venv/bin/python -m benchmarks.ingest
    ... --meters 1 3      so many meters for the event type, one after the other (1 and 3 unless said)
    ... --seconds 15      how long each is sent to
    ... --slower 3        how many times slower this machine is held to be than the one that the goals are for
    ... --no-http         only `ingest_events` in one process, the import and the reading

Over HTTP, a web server with two workers takes batches of 100 events from eight senders; PostgreSQL is durable. Every
batch is acknowledged, what is stored is compared with what was acknowledged, and the rollups with the events. `import`
is `manage.py import_events`. What is read is one customer's month, with a thousand events, a hundred thousand and a
million. What all that takes on the disk is told, too. Senders, web server and PostgreSQL share the machine.
"""

import argparse
import os
import subprocess
import sys

from benchmarks.close import machine
from benchmarks.database import copy_of, migrated_template

GOAL_HTTP, GOAL_IMPORT, GOAL_RATIO = 30_000, 60_000, 1.2


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--meters", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--slower", type=float, default=1)
    parser.add_argument("--no-http", action="store_true")
    given = parser.parse_args()
    print(machine())
    print(
        f"goals: {GOAL_HTTP:,} events/s over HTTP, {GOAL_IMPORT:,} by import; a million events read at most "
        f"{GOAL_RATIO} times as slowly as a thousand"
    )
    if given.slower != 1:
        print(
            f"here, held to be {given.slower:g} times slower: {GOAL_HTTP / given.slower:,.0f} over HTTP, "
            f"{GOAL_IMPORT / given.slower:,.0f} by import; that factor is said, not measured"
        )
    with migrated_template() as template:
        for meters in given.meters:
            for what in ("alone",) if given.no_http else ("http", "alone"):
                with copy_of(template, f"{template}_{what}{meters}") as url:
                    run(what, url, meters, given.seconds)
        with copy_of(template, f"{template}_import") as url:
            run("bulk", url, 1, given.seconds)
        with copy_of(template, f"{template}_read") as url:
            run("read", url, 1, given.seconds)


def run(what: str, url: str, meters: int, seconds: float) -> None:
    """Measure in a process of its own, with a database of its own."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest_worker", what, str(meters), str(seconds)],
        env=os.environ
        | {"DATABASE_URL": url, "API_RATE_LIMIT": "", "DJANGO_SETTINGS_MODULE": "billing_site.settings.development"},
        check=True,
    )


if __name__ == "__main__":
    main()
