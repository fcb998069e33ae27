"""Reads what became of an event's usage: billed, open, or late; and which events are behind a case of late usage."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from customers.models import Customer
from entitlements.metering.event_reading import reads_of
from entitlements.models import EventReversal, Feature, Meter, UsageEvent
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.models import BilledWindow, InvoiceLine, LateUsageCase

_NOT_BILLING = (InvoiceStatus.VOIDED, InvoiceStatus.DELETED)


@dataclass(frozen=True, slots=True)
class BilledBy:
    """A line whose period the event lies in, and what the event is to it, in words and a tone."""

    line: InvoiceLine
    words: str
    tone: str
    case: LateUsageCase | None = None


def billing_of(
    event: UsageEvent, customer: Customer, features: Collection[Feature], reversal: EventReversal | None
) -> list[BilledBy]:
    """The metered lines of the customer, for these features, whose period holds the event, with the case of late
    usage of each, if there is one. Two queries."""
    keys = [feature.key for feature in features]
    lines = _lines().filter(
        invoice__customer=customer, feature_key__in=keys, period_start__lte=event.time, period_end__gt=event.time
    )
    found = list(lines.order_by("period_start", "id")[:20])
    windows = {line.window_id for line in found if line.window_id is not None}
    cases = LateUsageCase.objects.filter(window_id__in=windows).order_by("id")
    by_window = {case.window_id: case for case in cases}
    return [replace(_billed_by(line, event, reversal), case=by_window.get(line.window_id or line.id)) for line in found]


def _lines() -> QuerySet[InvoiceLine]:
    lines = InvoiceLine.objects.counted().filter(kind=LineKind.USAGE, revision__feature__meter__isnull=False)
    return lines.exclude(invoice__status__in=_NOT_BILLING).select_related("invoice__customer")


def _billed_by(line: InvoiceLine, event: UsageEvent, reversal: EventReversal | None) -> BilledBy:
    read_at = line.invoice.quantity_snapshoted_at
    if line.invoice.status == InvoiceStatus.GATHERING or read_at is None:
        return BilledBy(line, "reversed in time: not billed" if reversal else "open: billed with its period", "blue")
    if event.ingested_at > read_at:
        return BilledBy(line, "late: it came after usage was read for this invoice", "amber")
    if reversal is not None and reversal.created_at > read_at:
        return BilledBy(line, "billed, and reversed afterwards: the difference is late usage", "amber")
    return BilledBy(line, "reversed in time: not billed" if reversal else "billed", "grey" if reversal else "green")


_BEHIND = """
    SELECT e.id, e.time FROM customers_usagesubject s
    CROSS JOIN LATERAL (
        SELECT e.id, e.time, e.ingested_at FROM entitlements_usageevent e
        WHERE e.subject = s.key AND e.type = %(type)s
            AND e.time >= greatest(%(start)s, s.active_from, %(event_from)s) AND e.time < least(%(end)s, s.deleted_at)
            AND (e.ingested_at > %(since)s OR EXISTS (
                SELECT 1 FROM entitlements_eventreversal v WHERE v.event_id = e.id AND v.created_at > %(since)s))
        ORDER BY e.time DESC LIMIT %(limit)s
    ) AS e
    WHERE s.customer_id = %(customer)s
    ORDER BY e.time DESC, e.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class EventBehind:
    """An event that came, or was reversed, after usage was read for the window that its time belongs to."""

    event: Any
    reversed_at: datetime | None


def events_behind(case: LateUsageCase, *, limit: int) -> list[EventBehind]:
    """The events of a case, the latest first; none where it was reported, or its meter is gone. Of a subject that came
    to the customer later, those that came later. Seven queries at most."""
    revision = case.item.revisions.filter(feature_key=case.feature_key).select_related("feature__meter").first()
    feature = None if revision is None else revision.feature
    window = BilledWindow.objects.select_related("invoice").filter(pk=case.window_id).first()
    read_at = None if window is None or window.invoice is None else window.invoice.quantity_snapshoted_at
    if feature is None or feature.meter is None or read_at is None:
        return []
    values: dict[str, Any] = {
        "customer": case.customer_id,
        "type": feature.meter.event_type,
        "event_from": feature.meter.event_from,
        "start": case.usage_since,
        "end": case.period_end,
        "since": read_at,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND, values)
        found = cursor.fetchall()
    stored = UsageEvent.objects.filter(pk__in=[row[0] for row in found], time__in=[row[1] for row in found])
    events = {event.pk: event for event in stored}
    reversals = EventReversal.objects.filter(event_id__in=events).values_list("event_id", "created_at")
    reversed_at = dict(reversals)
    meters = Meter.objects.filter(event_type=feature.meter.event_type).prefetch_related("features")
    known = {feature.meter.event_type: list(meters)}
    return [
        EventBehind(events[pk], reversed_at.get(pk))
        for pk, _ in found
        if pk in events and _counts_for(events[pk], feature.pk, known)
    ]


def _counts_for(event: Any, feature_id: Any, by_type: dict[str, list[Meter]]) -> bool:
    """Whether the feature's filters let the event in."""
    reads = reads_of(by_type.get(event.type, ()), event.data, event.time)
    return any(feature.pk == feature_id for read in reads for feature in read.features)
