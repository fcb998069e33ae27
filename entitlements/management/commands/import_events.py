"""`manage.py import_events FILE`: take in usage events from a file or from standard input, as fast as they can be read.

One JSON event a line (CloudEvents), or CSV with a heading: id, source, type, subject, time, and any other column goes
into the data as a text. Events are stored in batches of 5,000, each as a whole. What was stored before is known by its
source and id, so an import that was broken off is simply started again. A line that can't be stored is named, and
skipped with `--skip`; without it, the import stops before the batch of the line. Exit code 1: something was refused.

While PostgreSQL stores a batch of a file, the next one is read: one ahead and in order, so that memory stays flat and
the first of two events of one key wins. Standard input is read as it comes: what feeds it may be silent for hours.
"""

import csv
import gc
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from core.rest.wire_json import JSONProblem, loads
from entitlements.errors import BadEvent
from entitlements.metering.ingest_events import ingest_events

AT_ONCE = 5_000
_ATTRIBUTES = ("id", "source", "type", "subject", "time")
_REPORT_EVERY = 5.0


class Command(BaseCommand):
    help = "Take in usage events, one JSON event a line or CSV. What is stored already is left as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a path, or - for standard input")
        parser.add_argument("--csv", action="store_true", help="CSV with a heading, whatever the name of the file")
        parser.add_argument("--skip", action="store_true", help="leave out what can't be stored, and name it")

    def handle(self, *args: Any, **options: Any) -> None:
        self.skip: bool = options["skip"]
        self.quiet: bool = options["verbosity"] == 0
        self.read = self.stored = self.refused = 0
        begun = reported = time.monotonic()
        try:
            source = sys.stdin.buffer if options["file"] == "-" else Path(options["file"]).open("rb")  # noqa: SIM115
        except OSError as error:
            raise CommandError(f"{options['file']} can't be read: {error.strerror}. Nothing was imported.") from error
        with source, _nothing_old_searched():
            lines = _csv_events(source) if options["csv"] or options["file"].endswith(".csv") else _json_events(source)
            batches = _batches(lines)
            for batch in batches if options["file"] == "-" else _one_ahead(batches):
                self._take(batch)
                if not self.quiet and time.monotonic() - reported > _REPORT_EVERY:
                    reported = time.monotonic()
                    self.stdout.write(f"{self.read:,} read, {self.stored:,} new")
        took = time.monotonic() - begun
        if not self.quiet:
            self.stdout.write(
                self.style.SUCCESS(
                    f"{self.read:,} events read in {took:.1f} s: {self.stored:,} new, "
                    f"{self.read - self.stored - self.refused:,} stored before, {self.refused:,} refused."
                )
            )
        if self.refused:
            sys.exit(1)

    def _take(self, batch: list[tuple[int, Any]]) -> None:
        """Store the batch. Where some of it is refused, the rest, once those are named."""
        self.read += len(batch)
        bad = {place: str(event) for place, (_, event) in enumerate(batch) if isinstance(event, JSONProblem)}
        good = [place for place in range(len(batch)) if place not in bad]
        try:
            with transaction.atomic():
                new = ingest_events(events=[batch[place][1] for place in good])
                # Looked at all the same, so that all that is wrong is named at once.
                transaction.set_rollback(bool(bad) and not self.skip)
            self.stored += 0 if bad and not self.skip else new
        except BadEvent as error:
            for problem in error.problems:
                index, _, field = problem.field.partition(".")
                bad.setdefault(good[int(index)], f"{field}: {problem.message}" if field else problem.message)
            if self.skip:
                self.stored += ingest_events(
                    events=[event for place, (_, event) in enumerate(batch) if place not in bad]
                )
        for place in sorted(bad):
            self.stderr.write(f"Line {batch[place][0]:,}: {bad[place]}")
        self.refused += len(bad)
        if bad and not self.skip:
            raise CommandError(
                f"The import stopped before line {batch[0][0]:,}; {self.stored:,} events were stored. Mend the lines "
                "and start again, or leave them out with --skip."
            )


@contextmanager
def _nothing_old_searched() -> Iterator[None]:
    """What is loaded by now is left out by the garbage collector, which events by the thousand set going again and
    again: a quarter of the processor time of Python."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _batches(lines: Iterator[tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    while batch := list(islice(lines, AT_ONCE)):
        yield batch


def _one_ahead(batches: Iterator[list[tuple[int, Any]]]) -> Iterator[list[tuple[int, Any]]]:
    """The same batches; a thread makes the next one while the one before is being taken."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _json_events(source: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Each line's number, and its event or what is wrong with it."""
    for number, line in enumerate(source, start=1):
        if line.strip():
            try:
                yield number, loads(line)
            except JSONProblem as problem:
                yield number, problem


def _csv_events(source: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    # What is no UTF-8 is told of its line: read as something else, two ids could become one, and count once.
    # Strict, so that a quote which is never closed swallows no lines.
    rows = csv.DictReader((line.decode("utf-8-sig", errors="surrogateescape") for line in source), strict=True)
    try:
        heading = rows.fieldnames or ()
    except csv.Error as error:
        raise CommandError(f"The heading is no CSV: {error}. Nothing was imported.") from error
    if twice := sorted({name for name in heading if heading.count(name) > 1}):
        raise CommandError(f"The heading has {', '.join(twice)} more than once. Nothing was imported.")
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise CommandError(
                f"The import stopped before line {rows.line_num:,}, which is no CSV: {error}. What was stored is known "
                "by its source and id: mend the file and start again."
            ) from error
        if row is None:
            return
        if not _is_text(row):
            yield rows.line_num, JSONProblem("The line is not UTF-8 text.")
            continue
        event: dict[str, Any] = {name: row.pop(name) for name in _ATTRIBUTES if row.get(name)}
        if None in row:
            yield rows.line_num, JSONProblem("The line has more columns than the heading.")
            continue
        event["data"] = {name: value for name, value in row.items() if value is not None and name not in _ATTRIBUTES}
        yield rows.line_num, event


def _is_text(row: dict[Any, Any]) -> bool:
    try:
        for name, value in row.items():
            for text in (name, *value) if isinstance(value, list) else (name, value):
                (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True
