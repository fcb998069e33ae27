"""What an engine that keeps usage has to serve, and no more: PostgreSQL does (`postgresql.py`), another one could
(docs/scaling.md). `tests/stores/` holds what each must answer.

In PostgreSQL stays, whatever serves this: meters and what they refuse, whose usage is whose
(`customers.attribution`), the reasons for which events were taken back, entitlements, and the marks of hours that have
changed (`metering.touched`). An engine is asked about subjects; whom they belong to matters to it only in a query by
customer.

Figures are exact: an engine keeps the values of events as the texts that came, and adds up decimals of any length that
`json_path.is_number` lets in. An average has the digits that PostgreSQL's division gives.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from entitlements.metering.reading import MeterReading, Usage, UsageQuery, UsageRow, Window
from entitlements.metering.store.rollup_sql import Rolled
from entitlements.models import Meter


class NewEvent(NamedTuple):
    """An event to be stored; `data` is JSON text. Of events at one time, the one with the higher `id` is later."""

    source: str
    external_id: str
    id: UUID
    time: datetime
    type: str
    subject: str
    data: str | None


class StoredEvent(NamedTuple):
    """A stored event, without its data."""

    id: UUID
    source: str
    external_id: str
    time: datetime
    type: str
    subject: str


class UsageStore(Protocol):
    """Keeps events and says what they come to. Times are UTC, spans run up to their end and not into it."""

    def store_events(self, events: Sequence[NewEvent], *, rollups: Sequence[Rolled], now: datetime) -> int:
        """Store those of the events that are not stored yet by source and id; how many were new. The first one of a
        key wins, in a batch and for ever, also over one that says something else. Safe to call again after any failure;
        once it is committed, every read counts what it stored.

        Call it in a transaction that has shared the types of the events (`store.locks`) before it looked for `rollups`,
        what the meters of these types keep; an engine that counts when it is asked has no use for them.
        """

    def find_event(self, source: str, external_id: str) -> StoredEvent | None:
        """The event that is stored by this key, taken back or not."""

    def leave_out(self, event: StoredEvent) -> None:
        """Count the event no more, anywhere; it stays stored, and its key taken. In the transaction that has recorded
        why (`EventReversal`)."""

    def usage(self, asked: Mapping[MeterReading, Sequence[Window]]) -> Mapping[int, Usage]:
        """What the windows come to, by their keys: a key's windows are read together, as one set of events. A key may
        be missing where its windows have no event. Where no event can be read, the quantity is zero; where a
        reading asks `only_events`, it and what can't be read may be anything. The number of queries does not depend on
        the number of windows."""

    def query(self, meter: Meter, query: UsageQuery) -> list[UsageRow]:
        """What the meter's events come to by windows of the query's time zone and by groups, in order of time and
        groups (texts by code points, what has no value last); windows without a figure are left out. A day begins at
        the second of two midnights. More than `MAX_ROWS` where there are more, and then not all. The names are
        dimensions of the meter, or "subject" and "customerId"."""

    def group_values(self, meter: Meter, name: str, *, start: datetime | None, end: datetime | None) -> list[str]:
        """The different values that the meter's events have of a dimension, or their subjects, in order; `MAX_ROWS` at
        most."""
