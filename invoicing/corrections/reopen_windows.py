"""Lets the time that an invoice had settled be billed again: by the next close, in full (billing rules 6)."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Exists, Min, OuterRef, QuerySet, Subquery

from invoicing.choices import InvoiceStatus, LineKind, LineStatus, WindowKind
from invoicing.corrections.count_again import count_again
from invoicing.corrections.reopen_late_usage import forget_late_usage, look_again, reopen_late_usage
from invoicing.models import BilledWindow, Invoice, InvoiceLine, LateUsageLook
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.lifecycle.record_progressive_splits import take_back_progressive_splits
from subscriptions.lifecycle.record_reports_in_time import record_reports_in_time
from subscriptions.models import QuantityReport, Subscription, SubscriptionItem

_GONE = [InvoiceStatus.GATHERING, InvoiceStatus.VOIDED, InvoiceStatus.DELETED]


def windows_of(invoice: Invoice) -> QuerySet[BilledWindow]:
    """The windows that `invoice` settles."""
    return BilledWindow.objects.filter(pk__in=invoice.lines.values("window_id"), invoice=invoice)


def _unreported_of(invoice: Invoice) -> QuerySet[BilledWindow]:
    """The windows for which nothing had been reported when the quantities of `invoice` were collected: their lines were
    taken off it then, and no invoice settles them."""
    dropped = invoice.lines.filter(deleted_at__isnull=False).values("window_id")
    return BilledWindow.objects.filter(pk__in=dropped, kind=WindowKind.UNREPORTED, invoice__isnull=True)


def reopen_windows(invoice: Invoice, *, now: datetime, besides: Collection[uuid.UUID] = ()) -> None:
    """Open the windows of `invoice`, those `besides` left out, in the caller's transaction, which holds the customer's
    lock and takes the lines off the books: they are to count no more.

    A window that later invoices have added to stays settled by what those charge, so that the close bills the rest,
    and it is theirs from now on. What coupons found untouched in the others is decided anew, and what was reported too
    late for them counts, also where nothing had been reported in time. Amendments that `invoice` itself holds open
    nothing: the close finds them missing, and late usage is looked for again. What was charged by hand has no window
    (`charge_again`).
    """
    mine = (windows_of(invoice) | _unreported_of(invoice)).exclude(pk__in=besides)
    elsewhere = (
        InvoiceLine.objects.filter(window=OuterRef("pk"), deleted_at__isnull=True)
        .exclude(invoice=invoice)
        .exclude(kind=LineKind.CREDIT)
        .exclude(invoice__status__in=_GONE)
        .order_by("id")
    )
    added_to = mine.annotate(other=Subquery(elsewhere.values("invoice_id")[:1])).filter(other__isnull=False)
    others = dict(added_to.values_list("pk", "other"))
    for window_id, other in others.items():
        BilledWindow.objects.filter(pk=window_id).update(invoice_id=other)
    look_again(others, invoice.customer_id)
    reopen_late_usage(invoice)
    opened = mine.exclude(pk__in=others)
    forget_late_usage(list(opened.values_list("pk", flat=True)))
    times = list(opened.values_list("item_id", "span"))
    record_reports_in_time(_late_reports(opened))
    opened.delete()
    _merge_parts(times, invoice.customer_id)
    count_again((item_id, span.lower, span.upper) for item_id, span in times if span.upper is not None)
    starts = (
        invoice.lines.filter(status=LineStatus.VALID, subscription__isnull=False)
        .order_by()
        .values_list("subscription_id")
    )
    first = dict(starts.annotate(start=Min("period_start")))
    for subscription in Subscription.objects.filter(pk__in=first).order_by("pk"):
        mark_for_billing(subscription=subscription, changed_from=first[subscription.pk], due_at=now)


def _merge_parts(times: Iterable[tuple[uuid.UUID, Any]], customer_id: uuid.UUID) -> None:
    """Take back the splits beside which nothing is settled any more: what was a part is one with what follows it, and
    is billed with that (billing rules 7). What was before it is looked at: it may have made up for that. One query
    where nothing was split."""
    bounds: dict[uuid.UUID, set[datetime]] = defaultdict(set)
    for item_id, span in times:
        bounds[item_id] |= {span.lower, span.upper}
    split = SubscriptionItem.objects.filter(pk__in=bounds).exclude(progressive_splits=[])
    for item_id, cuts in split.values_list("pk", "progressive_splits"):
        opened, settled = bounds[item_id], set[datetime]()
        since = min(opened)
        for span in BilledWindow.objects.filter(item_id=item_id).order_by().values_list("span", flat=True):
            settled |= {span.lower, span.upper}
            if span.upper == min(opened):
                since = span.lower
        LateUsageLook.objects.create(customer_id=customer_id, since=since, until=max(opened))
        take_back_progressive_splits(item_id, (opened & set(cuts)) - settled)


def _late_reports(windows: QuerySet[BilledWindow]) -> list[uuid.UUID]:
    """What was reported for these windows after the snapshots of their quantities."""
    theirs = windows.filter(item_id=OuterRef("item_id"), span__contains=OuterRef("period_start"))
    items = windows.order_by().values("item_id")
    reports = QuantityReport.objects.filter(Exists(theirs), item_id__in=items, late=True)
    return list(reports.order_by().values_list("pk", flat=True))
