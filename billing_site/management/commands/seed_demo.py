"""`manage.py seed_demo`: the demo company, once."""

import os
import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing_site.demo.cast import API_KEY, LOGINS, PASSWORD
from billing_site.demo.companies import COMPANIES
from billing_site.demo.seed import Counts, seed
from core import clock
from core.console import Progress
from core.errors import BillingError


class Command(BaseCommand):
    help = "Make the demo company: customers in three currencies with eight months of invoices. Does nothing twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="say only how it ended")

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        self._quiet = options["quiet"]
        self._progress = Progress(self.stdout, seconds=0)
        self._say(f"Seeding the demo company: {len(COMPANIES)} customers, month by month.")
        try:
            made = seed(present=clock.now(), told=self._tell)
        except BillingError as error:
            raise CommandError(error.message) from error
        if made:
            self.stdout.write(f"The demo company Brightwater Data is there after {time.monotonic() - begun:.0f} s.")
        else:
            self.stdout.write("The demo company Brightwater Data is there already; nothing was changed.")
        self._say(_where_to_look())

    def _say(self, text: str) -> None:
        if not self._quiet:
            self.stdout.write(text)
            self.stdout.flush()

    def _tell(self, month: datetime, part: float, counts: Counts) -> None:
        if not self._quiet:
            figures = f"{counts.customers} customers, {counts.invoices} invoices, {counts.events} usage events"
            self._progress.told(part, f"{month:%B %Y}: {figures}")


def _where_to_look() -> str:
    site = f"http://localhost:{os.environ.get('PORT') or 8000}"
    lines = [
        "",
        f"Log in at {site}/admin/ with the password {PASSWORD} as",
        *(f"  {login.username:<10} {login.role:<18} {login.name}" for login in LOGINS),
        f"REST API: {site}/api/docs/, with the key {API_KEY}",
    ]
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    if folder:
        lines.append(f"Notices to customers: files in {folder}")
    return "\n".join(lines)
