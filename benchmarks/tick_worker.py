"""The process that `benchmarks.tick` starts: makes a house at size, and times each tick on it."""

import sys
import time
from datetime import timedelta
from statistics import median

import django
from celery.schedules import crontab
from django.db import connection

django.setup()

from billing_site.beat import SCHEDULE  # noqa: E402
from billing_site.celery import app as celery  # noqa: E402
from core import clock  # noqa: E402
from customers.models import BillingApp  # noqa: E402
from invoicing.models import Invoice, Payment  # noqa: E402
from subscriptions.models import Subscription  # noqa: E402
from tests.support.customers import make_default_profile  # noqa: E402
from tests.support.house_at_size import NOW, make_house, multiply, without_triggers  # noqa: E402

GOAL_MS = 50
TIMES = 7
# What was due among the copies is worked off or taken away first; before the next falls due.
BEFORE = NOW - timedelta(days=1)


def main() -> None:
    """Print a line for each task, and the sum of those that beat sends each minute or oftener."""
    customers, invoices = int(sys.argv[1]), int(sys.argv[2])
    make_default_profile()
    invoice = make_house(customers, remote=BillingApp.objects.get())
    with without_triggers():
        for part in range(customers, invoices, customers):
            multiply(
                invoice,
                min(customers, invoices - part),
                id=f"overlay(gen_random_uuid()::text placing '{part:08x}' from 1)::uuid",
                number=f"'Y-' || (n + {part})",
                sequence=f"n + {part} + 10",
            )
    Payment.objects.filter(status="pending").delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(f"{Subscription.objects.count():,} subscriptions, {Invoice.objects.count():,} invoices, nothing due")
    celery.loader.import_default_modules()
    print(f"{'task':64}{'ms':>8}  (goal: at most {GOAL_MS} each)")
    often = 0.0
    with clock.frozen_at(BEFORE):
        for entry in SCHEDULE.values():
            task = celery.tasks[entry["task"]]
            task()
            took = 1000 * median(_seconds(task) for _ in range(TIMES))
            daily = isinstance(entry["schedule"], crontab)
            often += 0 if daily else took
            print(f"{entry['task']:64}{took:8.1f}{'  once a day' if daily else ''}")
    print(f"{'all that come within a minute, each once':64}{often:8.1f}")


def _seconds(task: object) -> float:
    begun = time.perf_counter()
    task()  # type: ignore[operator]
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
