"""What is asked of usage and what comes back: a meter's reading, the windows, and their quantity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from customers.attribution import Attribution
from entitlements.models import Feature

ZERO = Decimal(0)
MAX_ROWS = 10_000
WINDOWS = {"MINUTE": "minute", "HOUR": "hour", "DAY": "day", "MONTH": "month"}
SUBJECT, CUSTOMER = "subject", "customerId"


@dataclass(frozen=True, slots=True)
class MeterReading:
    """How a feature's usage is read: its meter, narrowed by the feature's filters (dimension path -> values). Whoever
    asks for `only_events` wants to know how many there are, and no quantity."""

    event_type: str
    aggregation: str
    value_property: str | None
    event_from: datetime | None
    filters: tuple[tuple[str, tuple[str, ...]], ...]
    # Says where the rollups are; meters that read alike read the same.
    meter_id: UUID | None = field(default=None, compare=False)
    only_events: bool = False


class UsageRequest(NamedTuple):
    """Asks for the usage of `subjects` in all of `spans`, each `[start, end)` in UTC and apart from the others, read
    together by `reading`; `key` names it in the answer. A subject counts for the time in which it is attributed."""

    key: int
    reading: MeterReading
    subjects: Sequence[Attribution]
    spans: Sequence[tuple[datetime, datetime]]


class Usage(NamedTuple):
    """A window's quantity, how many events it came from, and how many of those hold no readable value."""

    quantity: Decimal
    events: int
    unreadable: int


NO_USAGE = Usage(ZERO, 0, 0)


def reading_of(feature: Feature) -> MeterReading | None:
    """How `feature` is metered, or None when its quantities are reported. Needs `feature.meter` loaded."""
    meter = feature.meter
    if meter is None:
        return None
    filters = tuple(
        (meter.group_by[dimension], tuple(values)) for dimension, values in sorted(feature.meter_filters.items())
    )
    return MeterReading(meter.event_type, meter.aggregation, meter.value_property, meter.event_from, filters, meter.id)


class Window(NamedTuple):
    """One span of one subject of a request."""

    key: int
    subject: str
    start: datetime
    end: datetime


def windows_of(reading: MeterReading, asked: Sequence[UsageRequest]) -> list[Window]:
    """The spans in which each request's subjects are attributed and the meter counts. A request of several subjects
    appears once for each, under one key."""
    return [
        Window(request.key, subject.key, *span)
        for request in asked
        for subject in request.subjects
        for start, end in request.spans
        if (span := subject.within(max(start, reading.event_from or start), end)) is not None
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Times are UTC and half-open; `group_by` holds dimensions of the meter, "subject" and "customerId".

    `filters` maps a dimension to the values of which any will do; `subjects` and `customers` likewise, None: all.
    """

    start: datetime | None = None
    end: datetime | None = None
    window: str | None = None
    time_zone: str = "UTC"
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    subjects: Sequence[str] | None = None
    customers: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One window of one group. `groups` follows the query's `group_by`."""

    start: datetime
    end: datetime
    value: Decimal
    groups: tuple[Any, ...]
