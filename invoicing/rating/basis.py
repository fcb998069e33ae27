"""Owns the basis of a line, as a value and as it is stored: whose figures they are that the line was rated from.

Rating knows figures only; a controller also asks whose. The basis names the meter, the report or the quantity that was
counted, the plan that was sold, and the full period of a window that is shorter, or longer, than one. Nothing is
computed from it, so a line can be computed again without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from core.jsontext import canonical_json
from core.periods import Period
from core.times import time_text
from subscriptions.schedule.facts import PriceSource

_ITEM: Final = canonical_json({"source": "item"})


@dataclass(frozen=True, slots=True)
class FromItem:
    """The quantity is the subscription item's own."""


@dataclass(frozen=True, slots=True)
class FromReport:
    """The quantity was reported; `reported_at` None: it is still awaited."""

    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class Metering:
    """How a meter counts: an aggregation over events of a type, of those that the filters (path, values) let in."""

    meter: str
    aggregation: str
    event_type: str
    value_property: str | None = None
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class FromMeter:
    """The quantity was metered, over this number of events."""

    metering: Metering
    events: int


QuantitySource = FromItem | FromReport | FromMeter


@dataclass(frozen=True, slots=True)
class Basis:
    """Whose figures they are: the window billed, where its quantity and its price come from; `full_period` where the
    window is shorter, or longer, than that."""

    window: Period
    quantity: QuantitySource
    price: PriceSource
    full_period: Period | None = None


def basis_to_stored(basis: Basis) -> dict[str, Any]:
    """The basis as plain JSON values."""
    stored = {
        "window": period_to_stored(basis.window),
        "quantity": _quantity_source(basis.quantity),
        "price": _price_source(basis.price),
    }
    return stored if basis.full_period is None else {**stored, "period": period_to_stored(basis.full_period)}


def basis_to_json(basis: Basis) -> str:
    """The basis as canonical text. Spliced, not encoded: a close makes one for every line, most of it the same for
    thousands."""
    full = "" if basis.full_period is None else f'"period":{_period_json(basis.full_period)},'
    price, quantity = _price_source_json(basis.price), _quantity_source_json(basis.quantity)
    return f'{{{full}"price":{price},"quantity":{quantity},"window":{_period_json(basis.window)}}}'


def period_to_stored(period: Period) -> dict[str, str]:
    """A period as plain JSON values."""
    return {"from": time_text(period.start), "to": time_text(period.end)}


def _period_json(period: Period) -> str:
    return f'{{"from":"{time_text(period.start)}","to":"{time_text(period.end)}"}}'


def _price_source(source: PriceSource) -> dict[str, Any]:
    if source.key is None:
        return {"source": source.kind}
    return {"source": source.kind, source.kind: source.key, "version": source.version}


@lru_cache(maxsize=4096)
def _price_source_json(source: PriceSource) -> str:
    return canonical_json(_price_source(source))


def _quantity_source(source: QuantitySource) -> dict[str, Any]:
    if isinstance(source, FromItem):
        return {"source": "item"}
    if isinstance(source, FromReport):
        reported_at = source.reported_at
        return {"source": "report", "reportedAt": None if reported_at is None else reported_at.isoformat()}
    metering = source.metering
    stored: dict[str, Any] = {
        "source": "meter",
        "meter": metering.meter,
        "aggregation": metering.aggregation,
        "eventType": metering.event_type,
        "events": source.events,
    }
    if metering.filters:
        stored["filters"] = {path: list(values) for path, values in metering.filters}
    if metering.value_property is not None:
        stored["valueProperty"] = metering.value_property
    return stored


def _quantity_source_json(source: QuantitySource) -> str:
    if isinstance(source, FromItem):
        return _ITEM
    if isinstance(source, FromMeter):
        before, after = _metering_json(source.metering)
        return f"{before}{source.events}{after}"
    return canonical_json(_quantity_source(source))


@lru_cache(maxsize=4096)
def _metering_json(metering: Metering) -> tuple[str, str]:
    """What stands before and after the number of events."""
    stored = _quantity_source(FromMeter(metering, 0))
    before = canonical_json({name: value for name, value in stored.items() if name < "events"})
    after = canonical_json({name: value for name, value in stored.items() if name > "events"})
    return f'{before[:-1]},"events":', f",{after[1:]}"


def read_basis(stored: Mapping[str, Any]) -> Basis:
    """The basis that `stored` holds."""
    price = stored["price"]
    return Basis(
        read_period(stored["window"]),
        _read_quantity_source(stored["quantity"]),
        PriceSource(price["source"], price.get(price["source"]), price.get("version")),
        read_period(stored["period"]) if "period" in stored else None,
    )


def _read_quantity_source(stored: Mapping[str, Any]) -> QuantitySource:
    if stored["source"] == "item":
        return FromItem()
    if stored["source"] == "report":
        reported_at = stored["reportedAt"]
        return FromReport(None if reported_at is None else datetime.fromisoformat(reported_at))
    filters = tuple((path, tuple(values)) for path, values in stored.get("filters", {}).items())
    metering = Metering(
        stored["meter"], stored["aggregation"], stored["eventType"], stored.get("valueProperty"), filters
    )
    return FromMeter(metering, stored["events"])


def read_period(stored: Mapping[str, Any]) -> Period:
    """The period that `stored` holds, beside whatever else."""
    return Period(datetime.fromisoformat(stored["from"]), datetime.fromisoformat(stored["to"]))
