"""Runs the checks of the books one after the other, on one snapshot of the database, reading only."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction

from core.batches import is_away
from core.money import exact_arithmetic
from invoicing.books.balances import balances_are_their_ledgers
from invoicing.books.entitlements import entitlements_follow
from invoicing.books.examination import UNREADABLE, Examination, Finding, said
from invoicing.books.frozen import issued_invoices_are_unchanged
from invoicing.books.parts import parts_add_up_to_wholes
from invoicing.books.past_due import nothing_is_past_due
from invoicing.books.payments import money_is_accounted_for
from invoicing.books.second_close import second_close_is_empty
from invoicing.books.series import series_are_gapless
from invoicing.books.tiling import windows_tile
from invoicing.books.totals import parts_add_up
from invoicing.books.usage import usage_is_conserved

logger = logging.getLogger(__name__)

Check = Callable[[Examination], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One of billing rules 13, by its number there; `unit` is what its check counts."""

    number: int
    claim: str
    unit: str
    check: Check


INVARIANTS = (
    Invariant(1, "Settled windows tile each item's active time", "customers", windows_tile),
    Invariant(2, "A second close writes nothing", "customers with nothing due", second_close_is_empty),
    Invariant(3, "Issued invoices are unchanged and can be computed again", "invoices", issued_invoices_are_unchanged),
    Invariant(4, "Parts add up to totals", "invoices", parts_add_up),
    Invariant(5, "Series have no gap and no decreasing date", "numbers", series_are_gapless),
    Invariant(6, "Balances are the sums of their ledgers", "balances", balances_are_their_ledgers),
    Invariant(7, "The money of every invoice is accounted for", "invoices", money_is_accounted_for),
    Invariant(8, "Usage is billed, waived, open or late", "customers", usage_is_conserved),
    Invariant(9, "What is billed in parts adds up to the whole", "items in parts", parts_add_up_to_wholes),
    Invariant(10, "Nothing is past due", "subscriptions", nothing_is_past_due),
    Invariant(11, "Entitlements are what subscriptions give", "customers", entitlements_follow),
)


@dataclass(slots=True)
class Report:
    """What came of one invariant: how many findings say that it is broken, and how many wait for a decision."""

    invariant: Invariant
    checked: int
    broken: int
    to_decide: int = 0


@contextmanager
def one_snapshot() -> Iterator[None]:
    """A transaction that writes nothing, and sees nothing of what others write meanwhile."""
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        # The level can only be set before the first query; inside another transaction, that one's snapshot serves.
        level = "" if nested else "ISOLATION LEVEL REPEATABLE READ, "
        cursor.execute(f"SET TRANSACTION {level}READ ONLY")
        yield


def check_books(
    *,
    as_of: datetime,
    grace: timedelta,
    numbers: frozenset[int] | None = None,
    found: Callable[[Invariant, Finding], None],
    inform: Callable[[str], None],
    progress: Callable[[Invariant, int], None],
) -> list[Report]:
    """Check every invariant (or those `numbers`) as of `as_of`, in UTC; each finding is handed to `found` at once.

    There is a report on each, whatever is stored: amounts of any size are exact, and a check that raises is a finding,
    which leaves the other checks to go on. Only an error that says the database `is_away` is raised.
    """
    reports = []
    with one_snapshot(), exact_arithmetic():
        for invariant in INVARIANTS:
            if numbers is not None and invariant.number not in numbers:
                continue
            exam = Examination(as_of, grace, inform, partial(progress, invariant))
            report = Report(invariant, 0, 0)
            for finding in _findings(invariant, exam):
                if finding.to_decide:
                    report.to_decide += 1
                else:
                    report.broken += 1
                found(invariant, finding)
            report.checked = exam.checked
            reports.append(report)
    return reports


def _findings(invariant: Invariant, exam: Examination) -> Iterator[Finding]:
    """What the invariant's check finds; that it could not go on is a finding, too."""
    try:
        with transaction.atomic():
            yield from invariant.check(exam)
    except Exception as error:  # whatever it is, the other invariants are still to be proved
        if is_away(error):
            raise
        logger.error("check %s of the books stopped", invariant.number, exc_info=error)
        yield Finding(
            "The check itself", f"it stopped, and proves no more than it had looked at ({said(error)}).", UNREADABLE
        )
