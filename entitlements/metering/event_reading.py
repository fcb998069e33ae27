"""Reads one event as the meters of its type would, and says whose it is: for those who ask why it counts, or doesn't.

Nothing is stored. What an event that is sent is refused for is decided in `event_checks.py`.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from core import clock
from core.errors import FieldProblem
from core.rest.times import parse_rfc3339
from core.rest.wire_json import dumps
from customers.selectors import owners_of
from entitlements.choices import Aggregation
from entitlements.metering.event_checks import MeterCheck, problems_of
from entitlements.metering.ingest_events import dropped_before, time_bounds
from entitlements.metering.json_path import is_number, value_at
from entitlements.models import Feature, Meter, UsageEventKey


@dataclass(frozen=True, slots=True)
class MeterReads:
    """What a meter reads from an event. `value` is the text that it counts, `groups` the values of its dimensions;
    `why_not` says why the event does not count there, "" where it does. `features` are those that it counts for."""

    meter: Meter
    value: str | None
    groups: tuple[tuple[str, str | None], ...]
    features: tuple[Feature, ...]
    why_not: str = ""

    @property
    def counts(self) -> str:
        """What the event comes to, in words."""
        if self.meter.aggregation == Aggregation.COUNT:
            return "1 event"
        if self.meter.aggregation == Aggregation.UNIQUE_COUNT:
            return f"the value {self.value}, once"
        return self.value or ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What would come of an event that was sent now. With `problems` it would be refused."""

    problems: list[FieldProblem]
    type: str = ""
    subject: str = ""
    time: datetime | None = None
    customer_id: uuid.UUID | None = None
    is_stored: bool = False
    reads: list[MeterReads] = field(default_factory=list)


def try_event(event: Any) -> Trial:
    """What would come of `event`, a JSON value with exact numbers, if it were sent now. Six queries at most, and
    nothing is stored."""
    now = clock.now()
    bounds = time_bounds(now, dropped_before())
    kind = event.get("type") if isinstance(event, dict) else None
    meters = meters_of(kind) if isinstance(kind, str) and "\x00" not in kind else []
    checks = {
        meter.event_type: [
            MeterCheck(each.key, each.aggregation, each.value_property or "", each.event_from)
            for each in meters
            if each.aggregation != Aggregation.COUNT
        ]
        for meter in meters
    }
    problems = problems_of(event, "", bounds, checks)
    if not isinstance(event, dict) or any(problem.field.partition(".")[0] != "data" for problem in problems):
        return Trial(problems)
    sent_at = event.get("time")
    time = (parse_rfc3339(sent_at) if sent_at else None) or now
    return Trial(
        problems=problems,
        type=event["type"],
        subject=event["subject"],
        time=time,
        customer_id=owner_at(event["subject"], time),
        is_stored=UsageEventKey.objects.filter(source=event["source"], event_id=event["id"]).exists(),
        reads=reads_of(meters, event.get("data"), time),
    )


def meters_of(event_type: str) -> list[Meter]:
    """The meters in use that read events of this type, with their features in use. Two queries."""
    meters = Meter.objects.filter(event_type=event_type, deleted_at=None).prefetch_related("features")
    return list(meters.order_by("key"))


def reads_of(meters: Iterable[Meter], data: Any, time: datetime) -> list[MeterReads]:
    """What each of these meters, with their features, reads from an event with `data` at `time`."""
    return [_read(meter, data, time) for meter in meters]


def owner_at(subject: str, moment: datetime) -> uuid.UUID | None:
    """The customer whose usage an event of `subject` at `moment` is; None: nobody's. One query."""
    found = owners_of([subject]).get(subject, ())
    return next((customer for attribution, customer in found if attribution.covers(moment)), None)


def _read(meter: Meter, data: Any, time: datetime) -> MeterReads:
    groups = {name: value_at(data, path) for name, path in meter.group_by.items()}
    value = None if meter.value_property is None else value_at(data, meter.value_property)
    shown = tuple((name, _text(found)) for name, found in sorted(groups.items()))
    features = tuple(
        feature
        for feature in meter.features.all()
        if feature.archived_at is None and _is_of(feature.meter_filters, dict(shown))
    )
    return MeterReads(meter, _text(value), shown, features, _why_not(meter, value, time))


def _why_not(meter: Meter, value: Any, time: datetime) -> str:
    if meter.event_from is not None and time < meter.event_from:
        return f"It counts events from {meter.event_from:%Y-%m-%d %H:%M} UTC on."
    if meter.aggregation == Aggregation.COUNT:
        return ""
    if value is None:
        return f"There is nothing at {meter.value_property}."
    if meter.aggregation == Aggregation.UNIQUE_COUNT:
        return (
            "" if isinstance(value, str) or is_number(value) else f"What stands at {meter.value_property} is no text."
        )
    return "" if is_number(value) else f"What stands at {meter.value_property} is no number."


def _is_of(filters: dict[str, Sequence[str]], groups: dict[str, str | None]) -> bool:
    return all(groups.get(name) in values for name, values in filters.items())


def _text(value: Any) -> str | None:
    """As PostgreSQL's `#>>` tells it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    return dumps(value)
