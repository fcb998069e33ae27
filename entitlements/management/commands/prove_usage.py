"""`manage.py prove_usage`: prove that the rollups of usage equal the events beneath, and that each event is known by
its key; mend what isn't so.

Exit code 0: it is, or was mended. 1: some differ, or an event is stored twice, which nothing mends.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from core import clock
from entitlements.metering.store.build import build_rollups
from entitlements.metering.store.partitions import make_months
from entitlements.metering.store.prove import days_of, differences
from entitlements.metering.store.prove_keys import Fault, keys_apart, mend_keys
from entitlements.metering.store.recount import recount
from entitlements.models import MeterRollup

_NAMED = 20
"""So many events and so many rollups are named; the others are counted by day."""
_REPORT_EVERY = 5.0


class Command(BaseCommand):
    help = (
        "Build what rollups of usage are not whole, make the months of events ahead, then compare rollups with events."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="start", metavar="YYYY-MM-DD", help="the first day in UTC; else the first")
        parser.add_argument("--to", dest="end", metavar="YYYY-MM-DD", help="the day to stop before")
        parser.add_argument("--subject", nargs="+", default=None, help="only these subjects")
        parser.add_argument("--mend", action="store_true", help="compute anew what differs")

    def handle(self, *args: Any, **options: Any) -> None:
        start, end = _day(options["start"]), _day(options["end"])
        make_months(max(clock.now(), clock.real_now()))
        built = build_rollups()
        if built:
            self.stdout.write(f"Built {built:,} days of rollups.")
        self.types = dict(MeterRollup.objects.values_list("id", "meter__event_type"))
        days = self.found = self.apart = self.doubles = 0
        reported = time.monotonic()
        for day in days_of(start, end):
            self._prove_keys(day, mend=options["mend"])
            self._prove_rollups(day, options["subject"], mend=options["mend"])
            days += 1
            if options["verbosity"] and time.monotonic() - reported > _REPORT_EVERY:
                reported = time.monotonic()
                self.stdout.write(f"{days:,} days compared, up to {day:%Y-%m-%d}.")
        if not (self.found or self.apart or options["verbosity"]):
            return
        self.stdout.write(f"{days:,} days compared.")
        if (self.found or self.apart) and not options["mend"]:
            said = [f"{self.found:,} rollups differ from their events"] * bool(self.found)
            said += [f"{self.apart:,} events from their keys"] * bool(self.apart)
            self.stdout.write(self.style.ERROR(f"{', and '.join(said)}. --mend mends them."))
            sys.exit(1)
        if self.doubles:
            self.stdout.write(self.style.ERROR(f"{self.doubles:,} events are stored more than once, which stays so."))
            sys.exit(1)
        mended = [f"{self.found:,} rollups were computed anew."] * bool(self.found)
        mended += [f"{self.apart:,} keys were put right."] * bool(self.apart)
        self.stdout.write(self.style.SUCCESS(" ".join(mended) or "Every rollup equals its events."))

    def _prove_keys(self, day: datetime, *, mend: bool) -> None:
        found = 0
        for apart in keys_apart(day):
            found += 1
            self.doubles += apart.fault == Fault.DOUBLE
            if self.apart + found <= _NAMED:
                said = f"The event {apart.external_id} of {apart.source}, {day:%Y-%m-%d}, {apart.fault.value}."
                self.stdout.write(said)
        self._count_others(self.apart, found, f"events of {day:%Y-%m-%d}")
        self.apart += found
        if mend and found:
            with transaction.atomic():
                mend_keys(day)

    def _prove_rollups(self, day: datetime, subjects: list[str] | None, *, mend: bool) -> None:
        found = 0
        for difference in differences(day, subjects=subjects):
            found += 1
            width = timedelta(hours=difference.grain)
            if self.found + found <= _NAMED:
                self.stdout.write(
                    f"{difference.meter}, {difference.subject}, {difference.start:%Y-%m-%d %H:%M} UTC, "
                    f"{'hour' if difference.grain == 1 else 'day'}: differs; it counts {difference.kept:,} events "
                    f"otherwise than the {difference.counted:,} there are."
                )
            if mend:
                with transaction.atomic():
                    event_type = self.types[difference.rollup]
                    recount(event_type, difference.subject, difference.start, difference.start + width)
        self._count_others(self.found, found, f"rollups of {day:%Y-%m-%d}")
        self.found += found

    def _count_others(self, before: int, found: int, of_what: str) -> None:
        named = min(found, max(0, _NAMED - before))
        if found > named:
            self.stdout.write(f"... and {found - named:,} more {of_what}.")


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"{text} is no day: write it as 2026-03-17.") from error
