"""Lets late usage that an invoice had billed be looked at again, and forgets what was decided about time that is billed
anew (billing rules 6)."""

import uuid
from collections.abc import Collection

from core import clock
from core.audit.actors import current_actor
from invoicing.choices import InvoiceStatus, LateUsageState, LineKind
from invoicing.models import BilledWindow, Invoice, InvoiceLine, LateUsageCase, LateUsageLook
from subscriptions.lifecycle.record_reports_late import record_reports_late

_AGAIN = "The invoice that billed it counts no more."
_ANEW = "Its window is billed anew, with all of its usage."


def reopen_late_usage(invoice: Invoice) -> None:
    """What the adjustments on `invoice` had billed is late once more, and is found again by the customer's terms. In
    the transaction in which the invoice ceases to count."""
    lines = invoice.lines.filter(kind=LineKind.LATE, deleted_at__isnull=True)
    found = LateUsageCase.objects.filter(line__in=lines, state=LateUsageState.BILLED)
    cases = list(found.select_related("line"))
    for case in cases:
        if case.line is not None and case.line.metered_quantity is None:
            window = BilledWindow.objects.select_related("invoice").filter(pk=case.window_id).first()
            read_at = None if window is None or window.invoice is None else window.invoice.quantity_snapshoted_at
            record_reports_late(item_id=case.item_id, start=case.period_start, end=case.period_end, after=read_at)
    _absorb(cases, why=_AGAIN)


def forget_late_usage(window_ids: Collection[uuid.UUID]) -> None:
    """These windows are billed anew, with all of their usage: what came late for them is no more. Adjustments that
    wait for the next invoice go. In the transaction that opens the windows."""
    over = [LateUsageState.ABSORBED, LateUsageState.REISSUED]
    cases = list(LateUsageCase.objects.filter(window_id__in=window_ids).exclude(state__in=over))
    waiting = [case.line_id for case in cases if case.line_id is not None]
    _absorb(cases, why=_ANEW)
    InvoiceLine.objects.filter(pk__in=waiting, invoice__status=InvoiceStatus.GATHERING).delete()


def look_again(window_ids: Collection[uuid.UUID], customer_id: uuid.UUID) -> None:
    """What these windows are settled for has changed: they are compared with their usage once more."""
    for case in LateUsageCase.objects.filter(window_id__in=window_ids).distinct("window_id").order_by("window_id"):
        _note(case, customer_id)


def _absorb(cases: Collection[LateUsageCase], *, why: str) -> None:
    now = clock.now()
    for case in cases:
        case.state, case.reason, case.decided_at = LateUsageState.ABSORBED, why, case.decided_at or now
        case.decided_by, case.line = case.decided_by or current_actor().label, None
        _note(case, case.customer_id)
    LateUsageCase.objects.bulk_update(cases, ["state", "reason", "decided_at", "decided_by", "line"])


def _note(case: LateUsageCase, customer_id: uuid.UUID) -> None:
    LateUsageLook.objects.create(customer_id=customer_id, since=case.period_start, until=case.period_end)
