"""The engines that keep usage, each behind the same interface, and what the tests of the interface say to them."""

import importlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction

from core import clock
from core.ids import new_ids
from core.rest.wire_json import dumps
from customers.models import UsageSubject
from entitlements.metering.create_meter import create_meter
from entitlements.metering.reading import MeterReading, Usage, UsageQuery, UsageRow, Window
from entitlements.metering.store.interface import NewEvent, UsageStore
from entitlements.metering.store.locks import share_types
from entitlements.metering.store.postgresql import PostgresqlStore
from entitlements.metering.store.rollup_sql import rolled
from entitlements.models import EventReversal, Meter, MeterRollup
from tests.support.clock import at


class PlainPostgresql(PostgresqlStore):
    """PostgreSQL that reads its events one by one."""

    def usage(self, asked: Mapping[MeterReading, Sequence[Window]]) -> Mapping[int, Usage]:
        return self.plain_usage(asked)

    def query(self, meter: Meter, query: UsageQuery) -> list[UsageRow]:
        return self.plain_query(meter, query)


class House:
    """A store with the meters of PostgreSQL around it."""

    def __init__(self, store: UsageStore) -> None:
        self.store = store

    def meter(self, aggregation: str = "SUM", **overrides: Any) -> Meter:
        """A meter of `$.value` in events of the type "usage", by `$.model`."""
        fields = {
            "key": aggregation.lower(),
            "event_type": "usage",
            "aggregation": aggregation,
            "value_property": None if aggregation == "COUNT" else "$.value",
            "group_by": {"model": "$.model"},
        }
        return create_meter(**(fields | overrides))

    def send(self, *events: NewEvent) -> int:
        """Store a batch as an ingest does; how many were new."""
        types = {event.type for event in events}
        with transaction.atomic():
            share_types(types)
            found = MeterRollup.objects.filter(meter__event_type__in=types, dropped_at=None).select_related("meter")
            rollups = [rolled(rollup) for rollup in found.order_by("id")]
            return self.store.store_events(events, rollups=rollups, now=clock.now())

    def take_back(self, external_id: str) -> None:
        """Let an event count no more, as `reverse_event` does."""
        event = self.store.find_event("test", external_id)
        with transaction.atomic():
            EventReversal.objects.create(
                event_id=event.id,
                source=event.source,
                external_id=event.external_id,
                type=event.type,
                subject=event.subject,
                time=event.time,
                reason="Sent by a test machine",
            )
            self.store.leave_out(event)

    def usage(self, meter: Meter, *spans: tuple[str, str], subjects: Sequence[str] = ("acme",), **filters: str) -> Any:
        """Quantity, events and unreadable ones of the subjects in all of the spans together."""
        windows = [Window(1, subject, at(start), at(end)) for subject in subjects for start, end in spans]
        reading, nothing = self.reading(meter, **filters), Usage(Decimal(0), 0, 0)
        found = self.store.usage({reading: windows}).get(1, nothing)
        assert self.store.usage({replace(reading, only_events=True): windows}).get(1, nothing).events == found.events
        return f"{found.quantity.normalize():f}", found.events, found.unreadable

    @staticmethod
    def reading(meter: Meter, **filters: str) -> MeterReading:
        paths = tuple((meter.group_by[name], tuple(values.split(","))) for name, values in sorted(filters.items()))
        return MeterReading(
            meter.event_type, meter.aggregation, meter.value_property, meter.event_from, paths, meter.id
        )

    def query(self, meter: Meter, start: str | None = None, end: str | None = None, **asked: Any) -> list[Any]:
        """Rows as start, end, value and groups; times in UTC, without what is zero at their end."""
        query = UsageQuery(start=at(start) if start else None, end=at(end) if end else None, **asked)
        return [
            (short(row.start), short(row.end), f"{row.value.normalize():f}", *row.groups)
            for row in self.store.query(meter, query)
        ]


def short(moment: datetime) -> str:
    """The month, the day, and as much of the time as is not zero."""
    return f"{moment:%m-%dT%H:%M:%S.%f}".removesuffix(".000000").removesuffix(":00").removesuffix("T00:00")


def event(external_id: str, time: str | datetime, data: Any = None, **overrides: Any) -> NewEvent:
    """An event of acme; `data` is its value, or all of its data."""
    fields = data if isinstance(data, dict) or data is None else {"value": data, "model": "a"}
    (number,) = new_ids(1)
    known: dict[str, Any] = {
        "source": "test",
        "external_id": external_id,
        "id": number,
        "time": at(time) if isinstance(time, str) else time,
        "type": "usage",
        "subject": "acme",
        "data": None if fields is None else dumps(fields),
    }
    return NewEvent(**(known | overrides))


@pytest.fixture(scope="session")
def clickhouse_engine() -> Iterator[Any]:
    """The one engine that a process can have, in a folder that is gone afterwards."""
    # Where it is not installed, the tests that need it are skipped, or fail: `NEEDS` in tests/conftest.py.
    engine: Any = importlib.import_module("tests.support.clickhouse_store")

    def owners() -> list[Any]:
        rows = UsageSubject.objects.values_list("key", "customer_id", "active_from", "deleted_at")
        return [engine.Owner(*row) for row in rows.order_by("id")]

    with tempfile.TemporaryDirectory() as folder:
        session = engine.Session(folder)
        yield engine.ClickHouseStore(session, owners)
        session.close()


@pytest.fixture
def clickhouse(clickhouse_engine: Any) -> Any:
    clickhouse_engine.clear()
    return clickhouse_engine


@pytest.fixture(params=["rollups", "events", pytest.param("clickhouse", marks=pytest.mark.clickhouse)])
def house(request: pytest.FixtureRequest, db: None) -> Iterator[House]:
    """Three ways to serve the interface: PostgreSQL off rollups and off its events, and ClickHouse."""
    with time_machine.travel("2026-03-05T00:00:00Z", tick=False):
        if request.param == "clickhouse":
            yield House(request.getfixturevalue("clickhouse"))
        else:
            yield House({"rollups": PostgresqlStore, "events": PlainPostgresql}[request.param]())
