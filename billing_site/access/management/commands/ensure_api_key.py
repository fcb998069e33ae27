"""`manage.py ensure_api_key`: have a known API key, from BILLING_API_KEY or given."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing_site.access.services.ensure_api_key import ensure_api_key


class Command(BaseCommand):
    help = "Make the API key that BILLING_API_KEY (or --token) spells, with every scope. For development and tests."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--token", help="the key; by default the environment variable BILLING_API_KEY")
        parser.add_argument("--name", default="Development", help="the name that staff see")

    def handle(self, *args: Any, **options: Any) -> None:
        token = options["token"] or os.environ.get("BILLING_API_KEY")
        if not token:
            raise CommandError("No key was made: set BILLING_API_KEY, or give --token.")
        key = ensure_api_key(token=token, name=options["name"])
        self.stdout.write(f"API key ready: {key}")
