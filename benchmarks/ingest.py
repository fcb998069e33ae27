"""Measures how fast usage comes in, and whether reading it slows down as it grows.

    python -m billing_site.runtime run -- .venv/bin/python -m benchmarks.ingest
    ... --meters 1 3      so many meters for the event type, one after the other (1 and 3 unless said)
    ... --seconds 15      how long each is sent to
    ... --no-http         only `ingest_events` in one process, the import and the reading

Over HTTP, a web server with two workers takes batches of 100 events from eight senders; PostgreSQL is durable. Every
batch is acknowledged, what is stored is compared with what was acknowledged, and the rollups with the events. `plain
insert` is a bare Django view that takes the same batches by turns, and inserts them into the same table of a database
of its own, without keys, rollups or any check: the goals are parts of what that reaches (`benchmarks.goals`). `import`
is `manage.py import_events`. What is read is one customer's month, with a thousand events, a hundred thousand and a
million. What all that takes on the disk is told, too. Senders, web server and PostgreSQL share the machine.
"""

import argparse
import os
import subprocess
import sys

from benchmarks.close import machine
from benchmarks.database import copy_of, migrated_template


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--meters", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--no-http", action="store_true")
    given = parser.parse_args()
    print(machine())
    with migrated_template() as template:
        for meters in given.meters:
            for what in ("alone",) if given.no_http else ("http", "alone"):
                run(what, template, meters, given.seconds)
        for what in ("bulk", "read"):
            run(what, template, 1, given.seconds)


def run(what: str, template: str, meters: int, seconds: float) -> None:
    """Measure in a process of its own, with a database of its own, and another one for the plain insert."""
    with copy_of(template, f"{template}_{what}{meters}") as url, copy_of(template, f"{template}_plain") as plain:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.ingest_worker", what, str(meters), str(seconds)],
            env=os.environ
            | {
                "DATABASE_URL": url,
                "PLAIN_DATABASE_URL": plain,
                "API_RATE_LIMIT": "",
                "DJANGO_SETTINGS_MODULE": "billing_site.settings.development",
            },
            check=True,
        )


if __name__ == "__main__":
    main()
