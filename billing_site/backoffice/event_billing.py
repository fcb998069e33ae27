"""Reads what became of an event's usage: billed, open, or late; and which events came too late for what was billed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from customers.models import Customer
from entitlements.metering.event_reading import reads_of
from entitlements.models import EventReversal, Feature, Meter, UsageEvent
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.models import InvoiceLine

_NOT_BILLING = (InvoiceStatus.VOIDED, InvoiceStatus.DELETED)


@dataclass(frozen=True, slots=True)
class BilledBy:
    """A line whose period the event lies in, and what the event is to it, in words and a tone."""

    line: InvoiceLine
    words: str
    tone: str


def billing_of(
    event: UsageEvent, customer: Customer, features: Collection[Feature], reversal: EventReversal | None
) -> list[BilledBy]:
    """The metered lines of the customer, for these features, whose period holds the event. One query."""
    keys = [feature.key for feature in features]
    lines = _lines().filter(
        invoice__customer=customer, feature_key__in=keys, period_start__lte=event.time, period_end__gt=event.time
    )
    return [_billed_by(line, event, reversal) for line in lines.order_by("period_start", "id")[:20]]


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


@dataclass(frozen=True, slots=True)
class LateEvent:
    """An event that came after usage was read for the line that its time belongs to."""

    event: Any
    line: InvoiceLine


_LATE = """
    SELECT l.id, f.id, e.id, e.time FROM invoicing_invoice i
    JOIN invoicing_invoiceline l ON l.invoice_id = i.id AND l.kind = %(kind)s AND l.status = 'valid'
        AND l.deleted_at IS NULL
    JOIN subscriptions_itemrevision r ON r.id = l.revision_id
    JOIN entitlements_feature f ON f.id = r.feature_id
    JOIN entitlements_meter m ON m.id = f.meter_id
    JOIN customers_usagesubject s ON s.customer_id = i.customer_id
    CROSS JOIN LATERAL (
        SELECT e.id, e.time, e.ingested_at FROM entitlements_usageevent e
        WHERE e.subject = s.key AND e.type = m.event_type AND e.ingested_at > i.quantity_snapshoted_at
            AND e.time >= greatest(l.period_start, s.active_from, m.event_from)
            AND e.time < least(l.period_end, s.deleted_at)
            AND NOT EXISTS (SELECT 1 FROM entitlements_eventreversal v WHERE v.event_id = e.id)
        ORDER BY e.time DESC LIMIT %(limit)s
    ) AS e
    WHERE i.quantity_snapshoted_at >= %(since)s AND i.status <> ALL(%(not_billing)s)
    ORDER BY e.ingested_at DESC, e.id DESC LIMIT %(limit)s
"""


def late_events(*, since: datetime, limit: int) -> list[LateEvent]:
    """Events that came after usage was read for an invoice, of invoices for which it was read since then; the latest
    first. Six queries, the first of which reads the events of the periods billed since then."""
    values: dict[str, Any] = {
        "kind": LineKind.USAGE.value,
        "since": since,
        "limit": limit,
        "not_billing": [status.value for status in (*_NOT_BILLING, InvoiceStatus.GATHERING)],
    }
    with connection.cursor() as cursor:
        cursor.execute(_LATE, values)
        found = cursor.fetchall()
    events = _by_id([row[2] for row in found], [row[3] for row in found])
    lines = _lines().in_bulk({row[0] for row in found})
    meters = Meter.objects.filter(event_type__in={event.type for event in events.values()}).prefetch_related("features")
    by_type: dict[str, list[Meter]] = {}
    for meter in meters:
        by_type.setdefault(meter.event_type, []).append(meter)
    return [
        LateEvent(events[event_id], lines[line_id])
        for line_id, feature_id, event_id, _ in found
        if event_id in events and line_id in lines and _counts_for(events[event_id], feature_id, by_type)
    ]


def _by_id(event_ids: Sequence[Any], times: Sequence[datetime]) -> dict[Any, Any]:
    from_store = UsageEvent.objects.filter(pk__in=event_ids, time__in=times)
    return {event.pk: event for event in from_store}


def _counts_for(event: Any, feature_id: Any, by_type: dict[str, list[Meter]]) -> bool:
    """Whether the feature's filters let the event in."""
    reads = reads_of(by_type.get(event.type, ()), event.data, event.time)
    return any(feature.pk == feature_id for read in reads for feature in read.features)
