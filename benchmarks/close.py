"""Measures the close of a month: invoices a second, queries, processor time, how long numbers are held, and memory.

    python -m billing_site.runtime run -- .venv/bin/python -m benchmarks.close [200 1000 5000]
    make bench                                                      the same
    ... --workers 4       so many processes side by side as well (2 unless said), and how much more they do than one
    ... --history 12      after that many closed months instead of one
    ... --wide            with three subscriptions and ten lines a customer, all on one invoice
    ... --profile         where one worker's time goes

Every customer has one subscription: 29.90 a month in advance, and a metered item at 0.25 a unit with 100 units free,
with four events in the month. What is timed is what a worker does, `work_shard`, from the run's start to its end, the
sandbox's payments included. Python and server are processor time, which a busy machine stretches less than the rate.
`held` is how long the supplier's number series was locked, while no other worker can issue. Each measurement has a
database and processes of its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.database import copy_of, migrated_template

DEFAULT_SIZES = (200, 1000, 5000)
GOAL, GOAL_PYTHON, GOAL_SERVER = 2000, 0.5, 0.25


@dataclass(frozen=True, slots=True)
class Result:
    """What the workers of one close measured, added up; `seconds` is that of the slowest."""

    customers: int
    workers: int
    invoices: int
    seconds: float
    held: float
    rating: float
    queries: int
    cpu: float
    server_cpu: float | None
    peak_mib: float

    @property
    def rate(self) -> float:
        """Invoices a second."""
        return self.invoices / self.seconds

    def each(self, seconds: float) -> float:
        """Milliseconds for one invoice."""
        return 1000 * seconds / self.invoices


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=DEFAULT_SIZES, metavar="CUSTOMERS")
    parser.add_argument("--workers", type=int, default=2, help="processes at once, beside the measurement with one")
    parser.add_argument("--history", type=int, default=1, help="months closed before (at least 1)")
    parser.add_argument("--wide", action="store_true", help="three subscriptions and ten lines a customer")
    parser.add_argument("--profile", action="store_true", help="print the hottest functions of one worker")
    given = parser.parse_args()
    print(machine())
    print(
        f"goals of one worker: {GOAL:,} invoices/s; {GOAL_PYTHON} ms of Python and {GOAL_SERVER} ms of server for each"
    )
    print(
        f"{'customers':>9} {'workers':>7} {'invoices':>8} {'invoices/s':>10} {'queries/inv':>11} {'Python ms/inv':>13} "
        f"{'server ms/inv':>13} {'held ms/inv':>11} {'rating':>6} {'peak MiB':>8}"
    )
    with migrated_template() as template:
        for size in given.sizes:
            alone = measure(template, size, 1, given.history, profile=given.profile, wide=given.wide)
            print(shown(alone, judged=not given.wide))
            if given.workers > 1:
                together = measure(template, size, given.workers, given.history, wide=given.wide)
                print(f"{shown(together)}   {together.rate / alone.rate:.2f} times one worker")


def measure(
    template: str, customers: int, workers: int, history: int, *, profile: bool = False, wide: bool = False
) -> Result:
    """One close in a database of its own."""
    with copy_of(template, f"{template}_{customers}_{workers}") as address:
        environment = {**os.environ, "DATABASE_URL": address, "OMP_NUM_THREADS": "1"}
        arguments = ["--history", str(history)]
        _run("prepare", str(customers), *arguments, *(["--wide"] * wide), environment=environment)
        begun = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.close_worker", "work", *arguments, *(["--profile"] * profile)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(workers)
        ]
        # Each says that it is ready before any begins, so that no start-up is measured.
        for process in begun:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                sys.exit("A worker of the benchmark failed: see above.")
        for process in begun:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [json.loads(process.communicate()[0]) for process in begun]
        invoices = int(_run("count", *arguments, environment=environment))
    if invoices != customers:
        sys.exit(f"{invoices} invoices were issued for {customers} customers.")
    return _sum_up(answers, customers, invoices)


def _sum_up(answers: list[dict[str, Any]], customers: int, invoices: int) -> Result:
    known = [answer["server_cpu"] for answer in answers]
    return Result(
        customers=customers,
        workers=len(answers),
        invoices=invoices,
        seconds=max(answer["seconds"] for answer in answers),
        held=sum(answer["held"] for answer in answers),
        rating=sum(answer["rating"] for answer in answers) / sum(answer["seconds"] for answer in answers),
        queries=sum(answer["queries"] for answer in answers),
        cpu=sum(answer["cpu"] for answer in answers),
        server_cpu=None if None in known else sum(known),
        peak_mib=max(answer["peak_mib"] for answer in answers),
    )


def shown(result: Result, *, judged: bool = True) -> str:
    """A line of the table; the goal is one of narrow customers and one worker."""
    server = "?" if result.server_cpu is None else f"{result.each(result.server_cpu):.2f}"
    verdict = f"   {result.rate / GOAL:.0%} of the goal" if judged and result.workers == 1 else ""
    return (
        f"{result.customers:>9,} {result.workers:>7} {result.invoices:>8,} {result.rate:>10,.0f} "
        f"{result.queries / result.invoices:>11.3f} {result.each(result.cpu):>13.2f} {server:>13} "
        f"{result.each(result.held):>11.3f} {result.rating:>6.1%} {result.peak_mib:>8.0f}{verdict}"
    )


def machine() -> str:
    """The processor, how many, and how busy they are with other things."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} processors, load {load:.1f}; Python {platform.python_version()}"


def _run(*words: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "benchmarks.close_worker", *words]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
