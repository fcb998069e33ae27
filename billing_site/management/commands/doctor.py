"""`manage.py doctor`: what is wired, a line a thing; exit code 1 when something needed is broken."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing_site.doctor import State, examine


class Command(BaseCommand):
    help = "Say in plain words what is wired and whether it works. Exit code 1 when something needed is broken."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        styles = {State.OK: self.style.SUCCESS, State.NOTE: self.style.NOTICE, State.PROBLEM: self.style.ERROR}
        broken = 0
        for finding in examine():
            broken += finding.state is State.PROBLEM
            text = f"{finding.subject:<12} {styles[finding.state](f'{finding.state:<8}')} {finding.sentence}"
            self.stdout.write(f"{text} {finding.remedy}".rstrip())
        if broken:
            self.stdout.write(f"{broken} thing{'s' if broken > 1 else ''} to repair.")
            sys.exit(1)
        self.stdout.write("Everything needed works.")
