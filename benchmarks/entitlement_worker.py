"""The process of `benchmarks.entitlement`, on a database of its own: fills it, starts web servers and asks them."""

import http.client
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")
django.setup()

from django.db import connection  # noqa: E402 - Django first

from benchmarks.goals import FLAT, GROWN, LATE, MEDIAN, at_most  # noqa: E402
from benchmarks.senders import BARE, child_processes, web_server  # noqa: E402
from billing_site.access.services.create_api_key import create_api_key  # noqa: E402
from core import clock  # noqa: E402
from customers.models import Customer, UsageSubject  # noqa: E402
from entitlements.access.balances import burndowns_of  # noqa: E402
from entitlements.access.burndown import counted_from  # noqa: E402
from entitlements.access.selectors import entitlements_with_facts  # noqa: E402
from entitlements.metering.create_meter import create_meter  # noqa: E402
from entitlements.metering.ingest_events import ingest_events  # noqa: E402
from entitlements.models import Entitlement, Feature, Grant  # noqa: E402

USES = 8
LIFE = timedelta(days=100)
SEED = 20260301


class Link:
    """A connection to a web server that is kept, as the clients keep theirs."""

    def __init__(self, port: int, token: str = "") -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, path: str) -> tuple[float, bytes]:
        """How long the answer took, in seconds, and its body."""
        begun = time.perf_counter()
        self._link.request("GET", path, headers=self._headers)
        answer = self._link.getresponse()
        body = answer.read()
        took = time.perf_counter() - begun
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:200]!r}")
        return took, body


class Door(NamedTuple):
    """A way to ask: what it is called, and its address for the customer of a number."""

    name: str
    path: str


V1_SUBJECT = Door("v1, by subject, metered", "/api/v1/subjects/customer-{}/entitlements/calls/value")
V1 = Door("v1, by customer, metered", "/api/v1/customers/customer-{}/entitlements/calls/value")
V2 = Door("v2, by customer, metered", "/api/v2/customers/customer-{}/entitlements/calls/value")
BOOLEAN = Door("v1, by customer, boolean", "/api/v1/customers/customer-{}/entitlements/sso/value")
STATIC = Door("v2, by customer, static", "/api/v2/customers/customer-{}/entitlements/limits/value")


def fill(customers: int) -> None:
    """Customers with three entitlements each: a hundred days, three resets, four grants and some usage."""
    meter = create_meter(key="calls", event_type="call", aggregation="SUM", value_property="$.units")
    calls = Feature.objects.create(key="calls", name="Calls", meter=meter)
    sso = Feature.objects.create(key="sso", name="Single sign-on")
    limits = Feature.objects.create(key="limits", name="Limits")
    chance, now = random.Random(SEED), datetime.now(UTC)
    for first in range(0, customers, 2_000):
        numbers = range(first, min(first + 2_000, customers))
        rows = [Customer(key=f"customer-{number}", name=f"Customer {number}") for number in numbers]
        Customer.objects.bulk_create(rows)
        UsageSubject.objects.bulk_create(UsageSubject(customer=row, key=row.key) for row in rows)
        entitled: list[Entitlement] = []
        grants: list[Grant] = []
        for row in rows:
            begun = now - LIFE - timedelta(seconds=chance.randrange(7 * 86_400))
            every: dict[str, Any] = {"customer": row, "active_from": begun}
            entitled.append(Entitlement(**every, feature=sso, feature_key="sso", type="boolean"))
            entitled.append(
                Entitlement(**every, feature=limits, feature_key="limits", type="static", config='{"seats": 5}')
            )
            metered = Entitlement(
                **every,
                feature=calls,
                feature_key="calls",
                type="metered",
                measure_usage_from=begun,
                usage_period="P1M",
                usage_period_anchor=begun,
                issue_after_reset=Decimal(1000),
            )
            entitled.append(metered)
            grants += grants_of(metered)
        Entitlement.objects.bulk_create(entitled)
        Grant.objects.bulk_create(grants)
    span = int(LIFE.total_seconds())
    uses = (
        call(f"{number}-{use}", f"customer-{number}", now - timedelta(seconds=chance.randrange(span)), use)
        for number in range(customers)
        for use in range(USES)
    )
    ingest(uses)


def grants_of(metered: Entitlement) -> list[Grant]:
    """What each usage period begins with, and three on top: one that rolls over, one for a while, one that recurs."""
    begun = metered.active_from
    later, expired = begun + timedelta(days=80, seconds=1234), begun + timedelta(days=40)
    issued = Grant(
        entitlement=metered, amount=1000, effective_at=begun, max_rollover=1000, min_rollover=1000, issued=True
    )
    return [
        issued,
        Grant(entitlement=metered, amount=50, priority=0, effective_at=later, max_rollover=50),
        Grant(entitlement=metered, amount=20, effective_at=begun, expires_at=expired),
        Grant(
            entitlement=metered, amount=7, effective_at=begun, recurrence="P1W", recurrence_anchor=begun, max_rollover=7
        ),
    ]


def call(name: str, subject: str, moment: datetime, units: int) -> dict[str, Any]:
    """An event of usage."""
    event = {"id": name, "source": "gateway", "type": "call", "subject": subject, "time": moment.isoformat()}
    return event | {"data": {"units": units}}


def ingest(events: Iterable[dict[str, Any]]) -> None:
    """Store the events, ten thousand at a time."""
    batch: list[dict[str, Any]] = []
    for event in events:
        batch.append(event)
        if len(batch) == 10_000:
            ingest_events(events=batch)
            batch = []
    if batch:
        ingest_events(events=batch)


def busy(number: int, events: int) -> None:
    """So much usage of one customer from an hour before the current usage period on: its reset cuts an hour of it."""
    entitlement = entitlements_with_facts().get(customer__key=f"customer-{number}", type="metered")
    now = clock.now()
    [burndown] = burndowns_of([entitlement])
    since = counted_from(burndown.timeline, now) - timedelta(hours=1)
    step = (now - since) / events
    ingest(call(f"busy-{number}-{each}", f"customer-{number}", since + step * each, 1) for each in range(events))


def measure(name: str, link: Link, bare: Link, paths: Sequence[str]) -> None:
    """Ask each address once, by turns with the bare view; print the times."""
    times, bares = [], []
    for path in paths:
        bares.append(bare.ask("/bare")[0])
        times.append(link.ask(path)[0])
    middle, of_bare = statistics.median(times), statistics.median(bares)
    late, late_bare = (sorted(found)[len(found) * 99 // 100] for found in (times, bares))
    # A reset comes once a period, and the balance of then is computed and written by the first who asks.
    said = (lambda figure, goal: f"{figure:.2f}") if name.endswith("first") else at_most
    print(
        f"{name:34}{middle * 1e3:8.2f} ms{late * 1e3:8.2f} ms; bare views: p50 {said(middle / of_bare, MEDIAN)}, "
        f"p99 {said(late / of_bare, LATE)} (the bare view's own p99: {late_bare / of_bare:.2f})",
        flush=True,
    )


def main(customers: int, requests: int, events: int) -> None:
    """Fill the database, then measure."""
    begun = time.perf_counter()
    fill(customers)
    small, large = 0, 1
    busy(small, 1_000)
    busy(large, events)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(f"filled in {time.perf_counter() - begun:.0f} s: {customers:,} customers")
    token = create_api_key(name="Benchmark", scopes=["*"])[1]
    chosen = random.Random(SEED).sample(range(2, customers), min(requests, customers - 2))
    with web_server() as port, web_server(BARE) as bare_port:
        link, bare = Link(port, token), Link(bare_port)
        doors = (V1, V2, V1_SUBJECT, BOOLEAN, STATIC)
        for door in doors:
            for _ in range(30):
                link.ask(door.path.format(small))
                bare.ask("/bare")
        print(f"{'':34}{'p50':>11}{'p99':>11}")
        measure(f"{V1.name}, first", link, bare, [V1.path.format(number) for number in chosen])
        before = memory()
        for door in doors:
            measure(f"{door.name}, again", link, bare, [door.path.format(number) for number in chosen])
        after = memory()
        compare(link, small, large, events)
    for process, (a, b) in enumerate(zip(before, after, strict=True)):
        print(f"memory of web process {process}: {a:.1f} MiB, then {b:.1f}: {at_most(b / a, FLAT)}")


def compare(link: Link, small: int, large: int, events: int) -> None:
    """The customer with many events against the one with a thousand, by turns."""
    times: dict[int, list[float]] = {small: [], large: []}
    for number in (small, large):
        link.ask(V2.path.format(number))
    for _ in range(300):
        for number, taken in times.items():
            taken.append(link.ask(V2.path.format(number))[0])
    first, many = (statistics.median(taken) for taken in times.values())
    used = json.loads(link.ask(V2.path.format(large))[1])
    print(
        f"{events:,} events in the period: {many * 1e3:.2f} ms, a thousand: {first * 1e3:.2f} ms, ratio "
        f"{at_most(many / first, GROWN)} (usage {used['usage']:,})"
    )


def memory() -> list[float]:
    """What each worker process of the two web servers holds, in MiB."""
    found = []
    for pid in child_processes(os.getpid()):
        for worker in child_processes(pid):
            lines = Path(f"/proc/{worker}/status").read_text().splitlines()
            found.append(next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")))
    return found


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:4]))
