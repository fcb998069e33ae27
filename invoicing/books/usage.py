"""Owns invariant 8, as far as windows go: what was billed for usage is what the events of the window come to.

That each event is in exactly one window follows from the tiling (invariant 1). Events that came after a window's
snapshot are late usage: reported, not broken.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from core.ids import to_text
from core.money import trimmed
from customers.attribution import Attribution
from customers.models import UsageSubject
from customers.selectors import attributions_of
from entitlements.features.selectors import features_by_id
from entitlements.metering.usage import UsageRequest, reading_of, usage_of
from entitlements.models import Feature, UsageEvent
from invoicing.books.examination import (
    INVOICES_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.choices import LineKind
from invoicing.models import BilledWindow, Invoice, InvoiceLine

GONE = "Events were changed or removed. Restore them from a backup, or credit the difference."


@dataclass(slots=True)
class _Window:
    """A billed usage window, with the meter's reading of now and the subjects of then."""

    line: Any
    feature: Feature
    subjects: tuple[Attribution, ...]
    snapshot: datetime


def billed_usage_is_backed_by_events(exam: Examination) -> Iterator[Finding]:
    """The frozen quantity of each metered line is what its events come to, unless late ones came; and no event is
    attributed to two customers or to two subscriptions of one."""
    yield from _attributed_twice()
    yield from _subscribed_twice()
    collected = Invoice.objects.filter(quantity_snapshoted_at__isnull=False, deleted_at__isnull=True)
    yield from piece_by_piece(exam, collected, INVOICES_AT_ONCE, _of_invoices)


def _of_invoices(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    windows = _windows(ids)
    yield from _compare(exam, windows)
    exam.count(len(windows))


def _attributed_twice() -> Iterator[Finding]:
    """Subjects that are two customers' at one time: their usage would count twice."""
    rows = UsageSubject.objects.raw(
        """
        SELECT s.* FROM customers_usagesubject s
        WHERE EXISTS (SELECT 1 FROM customers_usagesubject o WHERE o.key = s.key AND o.id < s.id
            AND tstzrange(o.active_from, o.deleted_at) && tstzrange(s.active_from, s.deleted_at))
        ORDER BY s.id
        """
    )
    for subject in rows.prefetch_related("customer"):
        yield Finding(
            f"Usage subject {subject.key}",
            f"its usage is attributed to {subject.customer} at a time at which it is another customer's, too.",
            "Give the later attribution the time at which the earlier one ended.",
        )


def _subscribed_twice() -> Iterator[Finding]:
    """Features that two subscriptions of a customer have at one time: both bill the same usage. The database refuses
    new ones; those from before it did are left to staff."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, o.id, c.name, c.key, c.id, r.feature_key, greatest(r.active_from, p.active_from)
            FROM subscriptions_subscription s
            JOIN customers_customer c ON c.id = s.customer_id
            JOIN subscriptions_subscription o ON o.customer_id = s.customer_id AND o.id < s.id
            JOIN subscriptions_subscriptionitem i ON i.subscription_id = s.id
            JOIN subscriptions_itemrevision r ON r.item_id = i.id
            JOIN subscriptions_subscriptionitem j ON j.subscription_id = o.id
            JOIN subscriptions_itemrevision p ON p.item_id = j.id AND p.feature_key = r.feature_key
            WHERE greatest(r.active_from, s.active_from, p.active_from, o.active_from)
                < coalesce(least(r.active_to, s.active_to, p.active_to, o.active_to), 'infinity')
            ORDER BY s.id, r.feature_key, p.id
            """
        )
        rows = cursor.fetchall()
    for subscription, other, name, key, customer, feature, since in rows:
        yield Finding(
            f"Subscription {to_text(subscription)} of {name_customer(name, key, customer)}",
            f"it has {feature} from {since:%Y-%m-%d %H:%M:%S} UTC on, at a time at which subscription "
            f"{to_text(other)} has it, too: its usage is billed twice.",
            "Cancel one of the two, and credit what it billed for that time.",
        )


def _windows(invoice_ids: Sequence[uuid.UUID]) -> list[_Window]:
    lines = list(
        InvoiceLine.objects.filter(
            Exists(BilledWindow.objects.filter(pk=OuterRef("window_id"))),
            amends__isnull=True,
            invoice_id__in=invoice_ids,
            kind=LineKind.USAGE,
            metered_quantity__isnull=False,
            deleted_at__isnull=True,
            revision__feature__meter__isnull=False,
        ).select_related("invoice__customer", "revision", "item")
    )
    features = features_by_id(line.revision.feature_id for line in lines if line.revision and line.revision.feature_id)
    subjects = attributions_of({line.invoice.customer_id for line in lines})
    windows = []
    for line in lines:
        assert line.revision is not None and line.revision.feature_id is not None
        feature, snapshot = features[line.revision.feature_id], line.invoice.quantity_snapshoted_at
        assert feature.meter is not None and snapshot is not None
        # Who has since read the usage by another meter, or by other filters, can't compare it with what was billed.
        if max(feature.updated_at, feature.meter.updated_at) > snapshot:
            continue
        named = set(line.invoice.customer_snapshot.get("subjectKeys", ()))
        attributed = subjects.get(line.invoice.customer_id, ())
        # Those of then: named on the invoice, or given up before it. What came later was not billed there.
        then = tuple(
            a for a in attributed if (a.key in named if a.end is None else a.end <= snapshot or a.key in named)
        )
        if named <= {attribution.key for attribution in then}:
            windows.append(_Window(line, feature, then, snapshot))
    return windows


def _compare(exam: Examination, windows: Sequence[_Window]) -> Iterator[Finding]:
    requests = []
    for index, window in enumerate(windows):
        reading = reading_of(window.feature)
        assert reading is not None
        line = window.line
        requests.append(UsageRequest(index, reading, window.subjects, ((line.period_start, line.period_end),)))
    found = usage_of(requests)
    for index, window in enumerate(windows):
        line, now = window.line, found[index].quantity
        frozen: Decimal = line.metered_quantity
        if now == frozen:
            continue
        customer = line.invoice.customer
        name = name_invoice(
            line.invoice.number, line.invoice_id, name_customer(customer.name, customer.key, customer.id)
        )
        late = _late_events(window)
        if late or now > frozen:
            exam.inform(f"{name}, line {line.name}: {late} late events; billed {trimmed(frozen)}, now {trimmed(now)}.")
            continue
        yield Finding(
            f"{name}, line {line.name}",
            f"it was billed for {trimmed(frozen)}; its events come to {trimmed(now)}.",
            GONE,
        )


def _late_events(window: _Window) -> int:
    meter = window.feature.meter
    assert meter is not None
    return UsageEvent.objects.filter(
        subject__in={subject.key for subject in window.subjects},
        type=meter.event_type,
        time__gte=window.line.period_start,
        time__lt=window.line.period_end,
        ingested_at__gt=window.snapshot,
    ).count()
