"""PostgreSQL as the engine that keeps usage: the functions beside, behind one object."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from core.prepared import prepared_cursor
from entitlements.metering.reading import MeterReading, Usage, UsageQuery, UsageRow, Window
from entitlements.metering.store.count import counted_select
from entitlements.metering.store.interface import NewEvent, StoredEvent
from entitlements.metering.store.plain import plain_select
from entitlements.metering.store.query import distinct_values, needs_events_before, plain_rows, query_rows
from entitlements.metering.store.read import rolled_select
from entitlements.metering.store.recount import recount
from entitlements.metering.store.rollup_sql import Rolled
from entitlements.metering.store.write import store_events
from entitlements.models import Meter, UsageEvent, UsageEventKey

# So many are read by a plan that is kept ready, whoever it was made for. For more, making one that fits them pays.
FEW_WINDOWS: Final = 32

_Select = Callable[[MeterReading, Sequence[Window]], tuple[str, list[Any]]]


class PostgresqlStore:
    """Serves `UsageStore`. The plain reads are its own specification: what it reads off rollups has to equal them."""

    def store_events(self, events: Sequence[NewEvent], *, rollups: Sequence[Rolled], now: datetime) -> int:
        return store_events(events, rollups, now)

    def find_event(self, source: str, external_id: str) -> StoredEvent | None:
        key = UsageEventKey.objects.filter(source=source, event_id=external_id).first()
        event = key and UsageEvent.objects.filter(id=key.stored_as, time=key.time).defer("data").first()
        if not event:
            return None
        return StoredEvent(event.id, event.source, event.external_id, event.time, event.type, event.subject)

    def leave_out(self, event: StoredEvent) -> None:
        hour = event.time.replace(minute=0, second=0, microsecond=0)
        recount(event.type, event.subject, hour, hour + timedelta(hours=1))

    def usage(self, asked: Mapping[MeterReading, Sequence[Window]]) -> Mapping[int, Usage]:
        """Read off rollups where there are whole ones: the days and hours that a window holds all events of, and raw
        events for the hour that a boundary cuts."""
        return _read(asked, _select)

    def plain_usage(self, asked: Mapping[MeterReading, Sequence[Window]]) -> Mapping[int, Usage]:
        """The same, read off the events one by one."""
        return _read(asked, plain_select)

    def query(self, meter: Meter, query: UsageQuery) -> list[UsageRow]:
        return query_rows(meter, query)

    def plain_query(self, meter: Meter, query: UsageQuery) -> list[UsageRow]:
        """The same, read off the events one by one."""
        return plain_rows(meter, query)

    def needs_events_before(self, meter: Meter, query: UsageQuery, moment: datetime) -> bool:
        """Whether it reads events of before `moment` for the query."""
        return needs_events_before(meter, query, moment)

    def group_values(self, meter: Meter, name: str, *, start: datetime | None, end: datetime | None) -> list[str]:
        return distinct_values(meter, name, start, end)


def _select(reading: MeterReading, windows: Sequence[Window]) -> tuple[str, list[Any]]:
    return (counted_select if reading.only_events else rolled_select)(reading, windows)


def _read(asked: Mapping[MeterReading, Sequence[Window]], select: _Select) -> Mapping[int, Usage]:
    selects: list[str] = []
    params: list[Any] = []
    for reading, windows in asked.items():
        if windows:
            sql, values = select(reading, windows)
            selects.append(sql)
            params.extend(values)
    if not selects:
        return {}
    few = sum(map(len, asked.values())) <= FEW_WINDOWS
    with prepared_cursor() if few else connection.cursor() as cursor:
        (cursor.run if few else cursor.execute)(" UNION ALL ".join(selects), params)
        return {key: Usage(quantity, events, unreadable) for key, quantity, events, unreadable in cursor.fetchall()}


POSTGRESQL: Final = PostgresqlStore()
