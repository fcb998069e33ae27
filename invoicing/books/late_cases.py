"""Owns what invariant 8 says of late usage that is no sum of events: cases without their usage, and late reports."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db.models import Exists, OuterRef, Q, Subquery

from core.money import WIDE, ZERO, trimmed
from invoicing.books.examination import Finding, name_customer
from invoicing.choices import LateUsageState
from invoicing.models import BilledWindow, LateUsageCase, LateUsageLook
from subscriptions.models import QuantityReport

LATE = "Bill it or waive it in the inbox of late usage. One that is not there is looked at within a minute."
NO_CASE = "Events were changed or removed past the database's guards, or its look was deleted: have it looked at again."


def cases_without_usage(window_ids: set[uuid.UUID]) -> Iterator[Finding]:
    """Open cases of these windows, whose usage comes to what was billed; those of whom a worker is about to look at are
    left out. One query."""
    noted = LateUsageLook.objects.filter(customer_id=OuterRef("customer_id"))
    cases = LateUsageCase.objects.filter(~Exists(noted), window_id__in=window_ids, state=LateUsageState.OPEN)
    for case in cases.select_related("customer").order_by("id"):
        customer = case.customer
        yield Finding(
            f"{case} of {name_customer(customer.name, customer.key, customer.id)}",
            f"{trimmed(case.quantity)} are to be decided, but its usage comes to what was billed.",
            NO_CASE,
        )


def reported_late(ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    """What was reported last for a settled period, after its snapshot, where that is not what was billed: the last
    report before it. Two queries."""
    same = QuantityReport.objects.filter(item=OuterRef("item"), period_start=OuterRef("period_start"))
    newer = same.filter(
        Q(reported_at__gt=OuterRef("reported_at")) | Q(reported_at=OuterRef("reported_at"), id__gt=OuterRef("id"))
    )
    in_time = same.filter(late=False).order_by("-reported_at", "-id").values("quantity")
    late = QuantityReport.objects.filter(~Exists(newer), late=True, item__subscription__customer_id__in=ids)
    reports = list(late.annotate(billed=Subquery(in_time[:1])).select_related("item__subscription__customer"))
    windows: dict[uuid.UUID, list[BilledWindow]] = defaultdict(list)
    for window in BilledWindow.objects.filter(item_id__in={report.item_id for report in reports}):
        windows[window.item_id].append(window)
    for report in reports:
        spans = [window.span for window in windows[report.item_id]]
        span = next((each for each in spans if each.lower <= report.period_start < (each.upper or each.lower)), None)
        difference = WIDE.subtract(report.quantity, report.billed or ZERO)
        if span is None or not difference:
            continue
        item, customer = report.item, report.item.subscription.customer
        yield Finding(
            f"Item {item.running_number} ({item.key}) of {name_customer(customer.name, customer.key, customer.id)}",
            f"late usage of {trimmed(difference)} from {span.lower:%Y-%m-%d %H:%M} to {span.upper:%Y-%m-%d %H:%M} UTC: "
            f"billed for {trimmed(report.billed or ZERO)}, {trimmed(report.quantity)} was reported on "
            f"{report.reported_at:%Y-%m-%d %H:%M} UTC.",
            LATE,
            to_decide=True,
        )
