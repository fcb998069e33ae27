"""Owns the conservation of usage as tests hold it against the engine (billing rules 13, point 8): for each item, what
its attributed events come to is billed, waived, open or late.

Reckoned from the tables alone, in SQL and sums of its own. A ledger is kept along a story: it remembers which events a
window held when its quantity was frozen, so that it knows what is late without asking what was billed.
"""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

ZERO = Decimal(0)
# What adds up. Of the others, only the number of events does.
SUMS = ("SUM", "COUNT")

# The events of each metered item's active time: its usage terms within the subscription, without pauses, up to now.
EVENTS = """
    WITH counted AS (
        SELECT r.item_id, r.active_from, m.event_type, m.aggregation, m.value_property, m.event_from, m.group_by,
            f.meter_filters, s.customer_id,
            tstzmultirange(tstzrange(
                least(greatest(r.active_from, s.active_from), %(now)s),
                greatest(
                    least(r.active_to, s.active_to, %(now)s), least(greatest(r.active_from, s.active_from), %(now)s)
                )
            )) - COALESCE(
                (SELECT range_agg(tstzrange((p->>'from')::timestamptz, (p->>'to')::timestamptz))
                 FROM jsonb_array_elements(s.pauses) p), '{}'::tstzmultirange
            ) AS active
        FROM subscriptions_itemrevision r
        JOIN subscriptions_subscriptionitem i ON i.id = r.item_id
        JOIN subscriptions_subscription s ON s.id = i.subscription_id
        JOIN entitlements_feature f ON f.id = r.feature_id
        JOIN entitlements_meter m ON m.id = f.meter_id
        WHERE r.price->>'type' <> 'flat' AND r.billing_cadence IS NOT NULL
    )
    SELECT c.item_id, e.id, e.time, c.aggregation, c.value_property, c.meter_filters, c.group_by, e.data
    FROM counted c
    JOIN customers_usagesubject u ON u.customer_id = c.customer_id
    JOIN entitlements_usageevent e ON e.subject = u.key AND e.type = c.event_type AND c.active @> e.time
        AND e.time >= COALESCE(u.active_from, '-infinity') AND e.time < COALESCE(u.deleted_at, 'infinity')
        AND e.time >= COALESCE(c.event_from, '-infinity')
"""
# Each settled window of usage with what its standing lines say was metered for it. A quantity is frozen once collected.
WINDOWS = """
    SELECT w.id, w.item_id, w.kind, lower(w.span), upper(w.span), sum(l.metered_quantity),
        sum((l.explain #>> '{basis,quantity,events}')::int), bool_and(v.quantity_snapshoted_at IS NOT NULL)
    FROM invoicing_billedwindow w
    JOIN invoicing_invoiceline l ON l.window_id = w.id AND l.kind = 'usage' AND l.deleted_at IS NULL
    JOIN invoicing_invoice v ON v.id = l.invoice_id AND v.status NOT IN ('gathering', 'voided')
    WHERE l.metered_quantity IS NOT NULL AND l.explain #>> '{basis,quantity,source}' = 'meter'
    GROUP BY w.id ORDER BY w.span
"""
WAITING = """
    SELECT l.item_id, l.period_start, l.period_end
    FROM invoicing_invoiceline l JOIN invoicing_invoice v ON v.id = l.invoice_id AND v.status = 'gathering'
    WHERE l.kind = 'usage' AND l.deleted_at IS NULL AND l.item_id IS NOT NULL
"""
# What was reported last for a settled period, after its snapshot, less what had been reported last before that.
REPORTED_LATE = """
    SELECT lower(w.span), upper(w.span), r.quantity - COALESCE((
        SELECT o.quantity FROM subscriptions_quantityreport o
        WHERE o.item_id = r.item_id AND o.period_start = r.period_start AND NOT o.late
        ORDER BY o.reported_at DESC, o.id DESC LIMIT 1
    ), 0)
    FROM (
        SELECT DISTINCT ON (item_id, period_start) * FROM subscriptions_quantityreport
        ORDER BY item_id, period_start, reported_at DESC, id DESC
    ) r JOIN invoicing_billedwindow w ON w.item_id = r.item_id AND w.span @> r.period_start
    WHERE r.late
"""
LATE = re.compile(r"late usage of (?P<quantity>\S+) from (?P<start>.+?) to (?P<end>.+?) UTC: billed for")


@dataclass(frozen=True, slots=True)
class Event:
    """An event as one item counts it."""

    id: UUID
    time: datetime
    quantity: Decimal
    adds_up: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A settled window of an item; `quantity` and `events` are those that its lines were billed, or waived, for."""

    id: UUID
    item: UUID
    kind: str
    start: datetime
    end: datetime
    quantity: Decimal
    events: int
    is_frozen: bool

    def holds(self, event: Event) -> bool:
        return self.start <= event.time < self.end


@dataclass(slots=True)
class Usage:
    """A quantity and the number of its events."""

    quantity: Decimal = ZERO
    events: int = 0

    def add(self, quantity: Decimal, events: int) -> None:
        self.quantity, self.events = self.quantity + quantity, self.events + events


@dataclass(slots=True)
class Account:
    """What became of an item's usage."""

    total: Usage = field(default_factory=Usage)
    billed: Usage = field(default_factory=Usage)
    waived: Usage = field(default_factory=Usage)
    open: Usage = field(default_factory=Usage)
    late: Usage = field(default_factory=Usage)

    def imbalance(self) -> tuple[Decimal, int]:
        """What is lost, of quantity and of events; negative: what counts twice. Nothing, where all is well."""
        parts = (self.billed, self.waived, self.open, self.late)
        return (
            self.total.quantity - sum((part.quantity for part in parts), ZERO),
            self.total.events - sum(part.events for part in parts),
        )


class UsageLedger:
    """Follows the usage of all items through a story; ask it after each step, before further events come in."""

    def __init__(self) -> None:
        self._held: dict[UUID, frozenset[UUID]] = {}
        self._spans: dict[UUID, tuple[datetime, datetime]] = {}
        # By window, as its start and end are told: the quantity that came late.
        self.late: Counter[tuple[str, str, Decimal]] = Counter()

    def balance(self, now: datetime) -> dict[UUID, Account]:
        """Assert that nothing is lost and nothing counted twice as of `now`; returns each item's account."""
        events, windows = _events(now), _windows()
        accounts: dict[UUID, Account] = {item: Account() for item in {*events, *(each.item for each in windows)}}
        self.late = Counter()
        taken: dict[UUID, set[UUID]] = defaultdict(set)
        for window in windows:
            if not window.is_frozen:
                continue
            account = accounts[window.item]
            held = [event for event in events[window.item] if window.holds(event)]
            known = self._held.setdefault(window.id, frozenset(event.id for event in held))
            span = self._spans.setdefault(window.id, (window.start, window.end))
            assert span == (window.start, window.end), f"{window} was frozen as {span}"
            taken[window.item] |= {event.id for event in held}
            frozen = account.waived if window.kind == "waiver" else account.billed
            adds_up = all(event.adds_up for event in held)
            frozen.add(window.quantity if adds_up else ZERO, window.events)
            late = [event for event in held if event.id not in known]
            quantity = sum((event.quantity for event in late), ZERO)
            account.late.add(quantity, len(late))
            if quantity:
                self.late[told(window.start), told(window.end), quantity.normalize()] += 1
        for start, end, quantity in _rows(REPORTED_LATE):
            if quantity:
                self.late[told(start), told(end), quantity.normalize()] += 1
        for item, account in accounts.items():
            for event in events[item]:
                account.total.add(event.quantity, 1)
                if event.id not in taken[item]:
                    account.open.add(event.quantity, 1)
            assert account.imbalance() == (ZERO, 0), f"item {item}: {account}"
        return accounts

    def is_late(self, problems: list[str]) -> None:
        """Assert that what a check of the books says is late is what is late since the last `balance`."""
        said: Counter[tuple[str, str, Decimal]] = Counter()
        for problem in problems:
            found = LATE.search(problem)
            assert found, problem
            said[found["start"], found["end"], Decimal(found["quantity"]).normalize()] += 1
        assert said == self.late, f"the books say that {dict(said)} is late, but it is {dict(self.late)}"


def assert_open_usage_waits(now: datetime) -> None:
    """What is open is on the gathering invoice, or on a draft that collects it later. After a close, and where nobody
    is parked."""
    events, settled = _events(now), _windows()
    waiting: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    for item, start, end in _rows(WAITING):
        waiting[item].append((start, end))
    for window in settled:
        waiting[window.item].append((window.start, window.end))
    for item, counted in events.items():
        for event in counted:
            assert any(start <= event.time < end for start, end in waiting[item]), (item, event, waiting[item])


def _events(now: datetime) -> dict[UUID, list[Event]]:
    found: dict[UUID, list[Event]] = defaultdict(list)
    for row in _rows(EVENTS, {"now": now}):
        item, event, counts = event_of(row)
        if counts:
            found[item].append(event)
    return found


def event_of(row: tuple[Any, ...]) -> tuple[UUID, Event, bool]:
    """The item and the event that a row of `EVENTS` is about, and whether the item's feature counts it."""
    item, event_id, time, aggregation, path, *texts = row
    filters, group_by, data = map(json.loads, texts)
    adds_up = aggregation in SUMS
    counts = all(_at(group_by[name], data) in values for name, values in filters.items())
    amount = Decimal(1) if aggregation == "COUNT" else Decimal(str(_at(path, data))) if adds_up and counts else ZERO
    return item, Event(event_id, time, amount, adds_up), counts


def _windows() -> list[Window]:
    return [Window(*row) for row in _rows(WINDOWS)]


def _at(path: str, data: Any) -> Any:
    """What is at a path of names, `$.a.b`."""
    for name in path.removeprefix("$.").split("."):
        data = data[name]
    return data


def told(moment: datetime) -> str:
    """A moment as a check of the books tells it."""
    return f"{moment:%Y-%m-%d %H:%M}"


def _rows(sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
