"""Keeps usage from being billed again where late usage of it changes what other invoices bill (billing rules 6)."""

import uuid
from collections.abc import Collection, Iterator

from django.db import transaction

from core import clock
from core.money import trimmed
from invoicing.choices import InvoiceStatus, LateUsageState, LineKind
from invoicing.errors import WrongInvoiceState
from invoicing.late_usage.judge import LateUsage, judge
from invoicing.models import Invoice, InvoiceLine, LateUsageCase
from subscriptions.schedule.facts import Span


def refuse_late_beside(invoice: Invoice, waived: Collection[uuid.UUID]) -> None:
    """WrongInvoiceState where a window of `invoice` that is to be billed again, none of those `waived`, has late usage
    that costs something in windows of its period which other invoices bill: these would stay as they are. Behind the
    customer's lock."""
    usage = InvoiceLine.objects.counted().filter(invoice=invoice, kind=LineKind.USAGE, window_id__isnull=False)
    windows = {line.window_id: line for line in usage.exclude(window_id__in=waived)}
    if not windows:
        return
    for late in _late(invoice, list(windows.values())):
        other = _line_beside(late, invoice) if late.window_id in windows and late.net_beside else None
        if other is not None:
            line = windows[late.window_id]
            raise WrongInvoiceState(
                f"The usage of {invoice} can't be billed again: {trimmed(late.quantity)} of late usage "
                f"of {line.name} from {line.period_start:%Y-%m-%d} also changes what {other.invoice} bills of "
                f"{other.name} from {other.period_start:%Y-%m-%d}. Nothing was changed. Bill that late usage, or waive "
                "it, and let an invoice take its adjustment along first."
            )


def _late(invoice: Invoice, lines: Collection[InvoiceLine]) -> Iterator[LateUsage]:
    """What came late for the customer's windows in the time of these lines; adjustments that wait count as late still:
    they go with the invoice."""
    span = Span(min(line.period_start for line in lines), max(line.period_end for line in lines))
    waiting = LateUsageCase.objects.filter(
        customer_id=invoice.customer_id,
        window_id__in=[line.window_id for line in lines],
        state=LateUsageState.BILLED,
        line__invoice__status=InvoiceStatus.GATHERING,
    )
    with transaction.atomic():
        LateUsageCase.objects.filter(pk__in=list(waiting.values_list("pk", flat=True))).update(
            state=LateUsageState.ABSORBED
        )
        judged = judge({invoice.customer_id: span}, as_of=clock.now())
        transaction.set_rollback(True)
    for each in judged.values():
        yield from each.late.values()


def _line_beside(late: LateUsage, invoice: Invoice) -> InvoiceLine | None:
    """The first line of another invoice that is rated again with it. The other parts of its group are none: the last
    one takes up what they lack."""
    beside = InvoiceLine.objects.filter(pk__in=late.charged_by).exclude(invoice=invoice)
    group = late.obligation.group
    if group is not None:
        mine = late.obligation.item.id
        beside = beside.exclude(item_id=mine, period_start__gte=group.start, period_start__lt=group.end)
    return beside.select_related("invoice").order_by("period_start").first()
