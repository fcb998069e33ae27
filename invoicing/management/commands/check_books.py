"""`manage.py check_books`: prove the books; a readable finding for whatever is broken or waits for a decision.

Exit code 0: the books are right, and nothing waits. 1: something is broken. 2: they are right, but somebody is to
decide about what came late.
"""

import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from core.batches import DATABASE_AWAY
from core.testclock.selectors import on_the_clock
from invoicing.books.check import INVARIANTS, Invariant, check_books
from invoicing.books.examination import Finding, said

REPORT_EVERY = 1000


class Command(BaseCommand):
    help = (
        "Check that the books are right (billing rules 13): reads only. Exit code 1 when anything is broken, 2 when "
        "something is to be decided."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--grace", type=int, default=15, metavar="MINUTES", help="what fell due since then may still be under way"
        )
        parser.add_argument(
            "--only", type=int, nargs="+", metavar="NUMBER", choices=[one.number for one in INVARIANTS], default=None
        )
        parser.add_argument("--limit", type=int, default=50, help="findings to print for each invariant")

    def handle(self, *args: Any, **options: Any) -> None:
        self.limit: int = options["limit"]
        self.shown: dict[int, int] = {}
        self.reported: dict[int, int] = {}
        self.notes = 0
        only = options["only"]
        with on_the_clock():
            as_of = clock.now()
            self.stdout.write(f"Checking the books as of {as_of:%Y-%m-%d %H:%M} UTC.")
            try:
                reports = check_books(
                    as_of=as_of,
                    grace=timedelta(minutes=options["grace"]),
                    numbers=None if only is None else frozenset(only),
                    found=self._found,
                    inform=self._inform,
                    progress=self._progress,
                )
            except DATABASE_AWAY as error:
                raise CommandError(
                    f"The database could not be read to the end ({said(error)}): nothing is proved. Run this again "
                    "once it answers."
                ) from error
        self.stdout.write("")
        for report in reports:
            number, claim = report.invariant.number, report.invariant.claim
            verdict = self.style.ERROR(f"{report.broken} BROKEN") if report.broken else self.style.SUCCESS("ok")
            if report.to_decide:
                verdict += self.style.WARNING(f", {report.to_decide} to decide")
            self.stdout.write(f"{number:>3}. {claim:<58} {report.checked:>9,} {report.invariant.unit:<27} {verdict}")
        if self.notes > self.limit:
            self.stdout.write(f"{self.notes:,} notes in all.")
        broken = sum(report.broken for report in reports)
        if broken:
            self.stdout.write(self.style.ERROR(f"The books are broken: {broken:,} findings."))
            sys.exit(1)
        waiting = sum(report.to_decide for report in reports)
        if waiting:
            self.stdout.write(self.style.WARNING(f"The books are right; {waiting:,} findings are to be decided."))
            sys.exit(2)
        self.stdout.write(self.style.SUCCESS("The books are right."))

    def _found(self, invariant: Invariant, finding: Finding) -> None:
        shown = self.shown[invariant.number] = self.shown.get(invariant.number, 0) + 1
        if shown <= self.limit:
            what = self.style.WARNING("To decide") if finding.to_decide else self.style.ERROR("Broken")
            self.stdout.write(f"{what}: {invariant.number}. {invariant.claim}")
            self.stdout.write(f"  {finding.subject}: {finding.problem}\n  To do: {finding.remedy}")
        elif shown == self.limit + 1:
            self.stdout.write(f"  More findings of {invariant.number} are only counted (--limit).")

    def _inform(self, sentence: str) -> None:
        self.notes += 1
        if self.notes <= self.limit:
            self.stdout.write(f"Note: {sentence}")

    def _progress(self, invariant: Invariant, checked: int) -> None:
        if checked // REPORT_EVERY > self.reported.get(invariant.number, 0):
            self.reported[invariant.number] = checked // REPORT_EVERY
            self.stdout.write(f"  {invariant.number}. {invariant.claim}: {checked:,} {invariant.unit} so far")
