"""Owns where the basis of a line comes from: what was planned, and how its quantity was found."""

from functools import lru_cache

from core.periods import Period
from entitlements.metering.usage import MeterReading
from invoicing.closing.plan import PlannedLine
from invoicing.closing.quantities import Quantity
from invoicing.rating.basis import Basis, FromItem, FromMeter, FromReport, Metering, QuantitySource
from invoicing.rating.explanation_json import with_basis


def explained(line: PlannedLine, quantity: Quantity | None, explanation: str) -> str:
    """The stored explanation of a rated line with its basis."""
    window, period = Period(line.start, line.end), line.obligation.period
    full = None if period is None or (period.start, period.end) == (window.start, window.end) else period
    return with_basis(explanation, Basis(window, _quantity_source(quantity), line.terms.price_source, full))


def _quantity_source(quantity: Quantity | None) -> QuantitySource:
    if quantity is None:
        return FromItem()
    if quantity.reading is not None:
        return FromMeter(_metering(quantity.reading, quantity.meter_key), quantity.events)
    # Without a time on a draft whose quantities are still to be collected: a report may come until then.
    return FromReport(quantity.reported_at)


@lru_cache(maxsize=4096)
def _metering(reading: MeterReading, key: str) -> Metering:
    return Metering(key, reading.aggregation, reading.event_type, reading.value_property, reading.filters)
