"""Makes a log-in for someone in finance: `manage.py create_staff --username ada --group "Finance clerk"`."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing_site.backoffice.roles import ROLES
from billing_site.backoffice.services.create_staff import create_staff


class Command(BaseCommand):
    help = "Creates a log-in in one of the four roles, or sets its password and role."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--group", required=True, choices=ROLES)
        parser.add_argument("--password", help="Asked for when not given.")
        parser.add_argument("--name", default="", help="The full name, as the audit trail shows it.")
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        password = options["password"] or getpass.getpass(f"Password for {options['username']}: ")
        if not password:
            raise CommandError("A password can't be empty. Nobody was created.")
        create_staff(
            username=options["username"],
            group=options["group"],
            password=password,
            full_name=options["name"],
            email=options["email"],
        )
        self.stdout.write(f"{options['username']} may log in as {options['group']}.")
