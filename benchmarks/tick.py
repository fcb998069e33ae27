"""Measures what beat's ticks cost while nothing is due: at 100,000 subscriptions and 1,000,000 invoices.

    python -m billing_site.runtime run -- .venv/bin/python -m benchmarks.tick
    ... --customers 10000 --invoices 100000

Each task of the schedule is called as a worker calls it, in this process and on a real database, seven times; the
middle one counts. The rows are copies made within the database: a hundredth of the invoices are open, and wait for
times to come. The daily tasks are told apart from those that come again within a minute.
"""

import argparse
import os
import subprocess
import sys

from benchmarks.close import machine
from benchmarks.database import copy_of, migrated_template


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    options.add_argument("--customers", type=int, default=100_000)
    options.add_argument("--invoices", type=int, default=1_000_000)
    given = options.parse_args()
    print(machine())
    with migrated_template() as template, copy_of(template, f"{template}_ticks") as address:
        command = [sys.executable, "-m", "benchmarks.tick_worker", str(given.customers), str(given.invoices)]
        subprocess.run(command, env=os.environ | {"DATABASE_URL": address}, check=True)


if __name__ == "__main__":
    main()
