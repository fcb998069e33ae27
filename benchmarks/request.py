"""Measures what a small request costs around its view: key, scope, rate limit, middleware, and REST framework.

    python -m benchmarks.request [--requests 2000]

Requests go through the WSGI handler of this process to a real database and a real Redis, with the rate limit on.
"around the view" is the whole request without the view's own method: the part that every request pays. Beside it stands
a bare Django view that reads one row by its key, with no middleware at all, as the measure of this machine.
"""

import argparse
import os
import subprocess
import sys

from benchmarks.database import copy_of, migrated_template


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--requests", type=int, default=2_000)
    count = options.parse_args().requests
    with migrated_template() as template, copy_of(template, f"{template}_requests") as address:
        command = [sys.executable, "-m", "benchmarks.request_worker", str(count)]
        subprocess.run(command, env=os.environ | {"DATABASE_URL": address}, check=True)


if __name__ == "__main__":
    main()
