"""How a month of a company is judged: by the books, and by sums that owe nothing to them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from core import clock
from core.money import ZERO
from entitlements.models import EventReversal
from invoicing.books.check import Invariant, check_books
from invoicing.books.examination import Finding
from invoicing.choices import LATE_USAGE_SETTLED, InvoiceStatus, LateUsageState
from invoicing.models import BalanceEntry, Invoice, InvoiceLine, LateUsageCase, NumberSeries
from subscriptions.models import SubscriptionItem
from tests.scenarios.life_judge import WRITES, nothing_is_below_zero
from tests.support.conservation import EVENTS, LATE, WINDOWS, event_of, told

GRACE = timedelta(days=2)


def judge(now: datetime) -> None:
    """Nothing is wrong by `check_books`, and what is to be decided has a case; no usage is lost; invoices are their
    lines; balances and numbers are in order."""
    found: list[str] = []
    late: Counter[tuple[str, str, Decimal]] = Counter()

    def take(invariant: Invariant, finding: Finding) -> None:
        said = LATE.search(finding.problem) if finding.to_decide else None
        if said is None:
            found.append(f"{invariant.number}: {finding.subject}: {finding.problem}")
        else:
            late[said["start"], said["end"], Decimal(said["quantity"]).normalize()] += 1

    with clock.frozen_at(now):
        check_books(as_of=now, grace=GRACE, found=take, inform=_say_nothing, progress=_count_nothing)
    assert not found, "\n".join(found)
    cases: Counter[tuple[str, str, Decimal]] = Counter()
    for case in LateUsageCase.objects.filter(state=LateUsageState.OPEN):
        cases[told(case.period_start), told(case.period_end), case.quantity.normalize()] += 1
    assert late == cases, f"late without a case: {late - cases}; cases without late usage: {cases - late}"
    usage_is_accounted_for(now)
    invoices_are_their_lines()
    nothing_is_below_zero()
    _balances_are_no_debts()
    _numbers_are_gapless()


def standing() -> dict[str, Any]:
    """A digest of what stands in each table of money and subscriptions."""
    parts = " UNION ALL ".join(
        f"SELECT '{table}', count(*), sum(hashtextextended(t::text, 0)) FROM {table} t" for table in WRITES
    )
    with connection.cursor() as cursor:
        cursor.execute(parts)
        return {table: rest for table, *rest in cursor.fetchall()}


@dataclass(slots=True)
class _Unit:
    """A settled window, or all parts of one that was billed in parts: what it was billed for, and is to decide."""

    start: datetime
    end: datetime
    accounted: Decimal = ZERO
    is_frozen: bool = True
    windows: set[UUID] = field(default_factory=set)


def usage_is_accounted_for(now: datetime) -> None:
    """For each settled window, and all parts of a period together: what its events come to that nobody reversed is what
    its lines were billed or waived for, and its late usage that was decided about, or waits."""
    reversed_ids = set(EventReversal.objects.values_list("event_id", flat=True))
    events: dict[UUID, list[tuple[datetime, Decimal]]] = defaultdict(list)
    for row in _rows(EVENTS, {"now": now}):
        item_id, event, counts = event_of(row)
        if counts and event.id not in reversed_ids:
            events[item_id].append((event.time, event.quantity))
    late: Mapping[UUID, Decimal] = _late_by_window()
    for item_id, units in _units(late).items():
        for unit in units:
            if unit.is_frozen:
                used = sum((each for time, each in events[item_id] if unit.start <= time < unit.end), ZERO)
                assert used == unit.accounted, f"item {item_id}, {unit}: {used} used"


def _late_by_window() -> dict[UUID, Decimal]:
    cases = LateUsageCase.objects.filter(state__in=(*LATE_USAGE_SETTLED, LateUsageState.OPEN)).order_by()
    return dict(cases.values_list("window_id").annotate(sum=Sum("quantity")))


def _units(late: Mapping[UUID, Decimal]) -> dict[UUID, list[_Unit]]:
    splits = dict(SubscriptionItem.objects.exclude(progressive_splits=[]).values_list("pk", "progressive_splits"))
    units: dict[UUID, list[_Unit]] = defaultdict(list)
    for window_id, item_id, _, start, end, quantity, _, is_frozen in _rows(WINDOWS):
        known = units[item_id]
        cuts = splits.get(item_id, ())
        if not (known and start in cuts and known[-1].end == start):
            # What begins at a cut, but follows nothing: the part before it waits, or was waived without its lines.
            known.append(_Unit(start, end, is_frozen=start not in cuts))
        unit = known[-1]
        unit.end, unit.is_frozen = end, unit.is_frozen and is_frozen
        unit.accounted += quantity + late.get(window_id, ZERO)
        unit.windows.add(window_id)
        if end in cuts:
            # Its rest waits: that takes up what is late here.
            unit.is_frozen = unit.is_frozen and (item_id, end) in _begun()
    return units


def _begun() -> set[tuple[UUID, datetime]]:
    return {(item_id, start) for _, item_id, _, start, *_ in _rows(WINDOWS)}


def invoices_are_their_lines() -> None:
    """The total of each invoice that counts is that of its lines."""
    sums = InvoiceLine.objects.counted().order_by().values_list("invoice_id").annotate(sum=Sum("total"))
    by_invoice = dict(sums)
    others = (InvoiceStatus.GATHERING, InvoiceStatus.DELETED)
    for pk, number, total in Invoice.objects.exclude(status__in=others).values_list("pk", "number", "total"):
        assert by_invoice.get(pk, ZERO) == total, f"invoice {number or pk}: {total} over lines of {by_invoice.get(pk)}"


def _balances_are_no_debts() -> None:
    sums = BalanceEntry.objects.order_by().values_list("customer__key", "currency").annotate(sum=Sum("amount"))
    assert not [row for row in sums if row[2] < 0]


def _numbers_are_gapless() -> None:
    for series in NumberSeries.objects.all():
        documents = series.invoices if series.kind == "invoice" else series.credit_notes
        sequences = list(documents.order_by("sequence").values_list("sequence", flat=True))
        assert sequences == list(range(1, series.next_number)), series


def _rows(sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def _say_nothing(sentence: str) -> None: ...


def _count_nothing(invariant: Invariant, count: int) -> None: ...
