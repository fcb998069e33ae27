"""Bills on a replacement what its voided invoice had billed of windows that stay settled: late usage, and what others
have added to (billing rules 6)."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from invoicing.choices import LateUsageState, LineKind, WindowKind
from invoicing.late_usage.book_adjustments import book_adjustments
from invoicing.late_usage.cases import keep_open
from invoicing.late_usage.judge import judge
from invoicing.models import BilledWindow, Invoice, InvoiceLine, LateUsageCase
from subscriptions.schedule.facts import Span


class BilledTime(NamedTuple):
    """A window of usage that an invoice bills, or bills late usage of."""

    window_id: uuid.UUID
    start: datetime
    end: datetime


def usage_billed_by(invoice: Invoice) -> list[BilledTime]:
    """The windows whose usage `invoice` bills, in order of time. Ask before it is voided. One query."""
    lines = InvoiceLine.objects.counted().filter(
        invoice=invoice, kind__in=[LineKind.USAGE, LineKind.LATE], window_id__isnull=False
    )
    found = lines.order_by("period_start", "id").values_list("window_id", "period_start", "period_end")
    return list(dict.fromkeys(BilledTime(window_id, start, end) for window_id, start, end in found if window_id))


def bill_again(customer_id: uuid.UUID, billed: Sequence[BilledTime], *, now: datetime, reason: str) -> set[uuid.UUID]:
    """Book what those of the windows `billed` that are settled still come to more than that as adjustments, in the
    transaction that has voided the invoice and holds the customer's lock. Returns the lines, which wait.

    One after the other: what the next one of a period comes to depends on it. What is less waits for a decision.
    """
    charged = BilledWindow.objects.filter(pk__in=[time.window_id for time in billed], kind=WindowKind.CHARGE)
    standing = set(charged.values_list("pk", flat=True))
    lines: set[uuid.UUID] = set()
    for time in billed:
        if time.window_id not in standing:
            continue
        judged = judge({customer_id: Span(time.start, time.end)}, as_of=now)[customer_id]
        late = judged.late.get(time.window_id)
        if late is None or late.net < 0:
            continue
        known = LateUsageCase.objects.filter(window_id=time.window_id, state=LateUsageState.OPEN)
        [case] = keep_open({time.window_id: late}, {each.window_id: each for each in known})
        book_adjustments([(case, late, judged.loaded)], reason=reason)
        assert case.line_id is not None
        lines.add(case.line_id)
    return lines
