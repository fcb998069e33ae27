"""Measures what it costs to ask, before each use, whether a customer may use a feature and how much is left.

    python -m billing_site.runtime run -- .venv/bin/python -m benchmarks.entitlement
    ... --customers 10000     each with a metered entitlement (grants, past usage periods), a boolean, a static one
    ... --requests 1500       of each kind, one after the other, each of another customer
    ... --events 1000000      of the one customer that is compared with one that has a thousand

Requests go over HTTP to the web server as `countinghouse serve` starts it, with a durable PostgreSQL beside it. "first"
asks each customer for the first time since the last reset, when the balance of that moment is computed and kept;
"again" later. Beside them stands a bare Django view that reads one row by its key, in a web server of its own, asked by
turns with them, as the measure of this machine: the goals are multiples of its median (`benchmarks.goals`).
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
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=1_500)
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args()
    print(machine())
    with migrated_template() as template, copy_of(template, f"{template}_entitlement") as url:
        subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.entitlement_worker"),
                *map(str, (given.customers, given.requests, given.events)),
            ],
            env=os.environ
            | {
                "DATABASE_URL": url,
                "API_RATE_LIMIT": "",
                "DJANGO_SETTINGS_MODULE": "billing_site.settings.development",
            },
            check=True,
        )


if __name__ == "__main__":
    main()
