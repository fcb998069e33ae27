"""`manage.py drop_usage_months`: drop the months of usage events that are billed and older than they are kept."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from core import clock
from invoicing.usage_retention.drop_billed_months import drop_billed_months


class Command(BaseCommand):
    help = (
        "Drop the months of usage events that are older than USAGE_RETENTION_MONTHS and that nothing billed still "
        "needs. What stays, stays whole; the reason is said."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--leave-late-usage", default="", metavar="REASON", help="late usage is left unbilled, for this reason"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.USAGE_RETENTION_MONTHS:
            self.stdout.write("Events are kept for good: USAGE_RETENTION_MONTHS is not set. Nothing was dropped.")
            return
        done = drop_billed_months(
            now=clock.now(),
            leave_late_usage=options["leave_late_usage"],
            progress=lambda checked: self.stderr.write(f"{checked:,} customers looked at"),
        )
        for name in done.months:
            self.stdout.write(f"Dropped {name}.")
        if done.held_by is not None:
            self.stdout.write(f"The next month stays: {done.held_by.why}")
        elif not done.months:
            self.stdout.write("No month is older than events are kept. Nothing was dropped.")
