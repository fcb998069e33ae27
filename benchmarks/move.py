"""Measures a move of customers to another billing profile: what the workers need for its check and for the moves.

    python -m billing_site.runtime run -- .venv/bin/python -m benchmarks.move [500 5000]
    ... --profile         where the time goes

Every customer has one subscription and one closed month, and is known at the target's app. The app answers at once, so
that only our own work is measured: the check of everybody, and the moves, in which everybody is checked again. Each
measurement has a database and a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.close import machine
from benchmarks.database import copy_of, migrated_template

DEFAULT_SIZES = (500, 5000)
GOAL_SECONDS, GOAL_CUSTOMERS = 60, 5000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=DEFAULT_SIZES, metavar="CUSTOMERS")
    parser.add_argument("--profile", action="store_true", help="print the hottest functions of the worker")
    given = parser.parse_args()
    print(machine())
    print(
        f"{'customers':>9} {'check s':>8} {'move s':>8} {'together':>8} {'moved/s':>8} {'queries/customer':>16} "
        f"{'CPU ms/customer':>15} {'peak MiB':>8}"
    )
    with migrated_template() as template:
        for size in given.sizes:
            print(shown(size, measure(template, size, given.profile)))


def measure(template: str, customers: int, profile: bool) -> dict[str, Any]:
    """One move in a database of its own."""
    with copy_of(template, f"{template}_{customers}_move") as address:
        environment = {**os.environ, "DATABASE_URL": address}
        _run("benchmarks.close_worker", "prepare", str(customers), "--history", "0", environment=environment)
        answer: dict[str, Any] = json.loads(
            _run("benchmarks.move_worker", *(["--profile"] * profile), environment=environment)
        )
    if answer["moved"] != customers or answer["pinned"] != customers:
        sys.exit(f"Of {customers} customers {answer['moved']} were moved and {answer['pinned']} are pinned.")
    return answer


def shown(customers: int, answer: dict[str, Any]) -> str:
    """A line of the table."""
    together = answer["check"] + answer["move"]
    goal = GOAL_SECONDS * customers / GOAL_CUSTOMERS
    return (
        f"{customers:>9,} {answer['check']:>8.2f} {answer['move']:>8.2f} {together:>8.2f} "
        f"{customers / together:>8,.0f} {answer['queries'] / customers:>16.3f} "
        f"{1000 * answer['cpu'] / customers:>15.2f} {answer['peak_mib']:>8.0f}   goal {goal:g} s: {together / goal:.0%}"
    )


def _run(module: str, *words: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
