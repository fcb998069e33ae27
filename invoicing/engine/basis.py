"""Owns the basis of a line: its window, where its quantity and where its price come from. Its account opens with it.

Rating knows figures only; a controller also asks whose. The basis names the meter, the report or the quantity that was
counted, the plan that was sold, and the full period of a window that is shorter, or longer, than one. Nothing is
computed from it, so an account can be replayed without it.
"""

from functools import lru_cache

from core.jsontext import canonical_json
from entitlements.usage import MeterReading
from invoicing.engine.plan import PlannedLine
from invoicing.engine.quantities import Quantity

_ITEM = canonical_json({"source": "item"})
# On a draft whose quantities are still to be collected: a report may come until then.
_AWAITED = canonical_json({"reportedAt": None, "source": "report"})


def explained(line: PlannedLine, quantity: Quantity | None, account: str) -> str:
    """The account of a rated line with its basis, as canonical text: `basis` sorts before all else in an account."""
    # Spliced, not encoded: a close makes one of these for every line, and most of it is the same for thousands.
    window = f'{{"from":"{line.start.isoformat()}","to":"{line.end.isoformat()}"}}'
    period = line.obligation.period
    full = ""
    if period is not None and (line.start, line.end) != (period.start, period.end):
        full = f'"period":{{"from":"{period.start.isoformat()}","to":"{period.end.isoformat()}"}},'
    basis = f'{{{full}"price":{line.terms.origin},"quantity":{_quantity(quantity)},"window":{window}}}'
    return f'{{"basis":{basis},{account[1:]}'


def _quantity(quantity: Quantity | None) -> str:
    if quantity is None:
        return _ITEM
    if quantity.reading is not None:
        opening, closing = _meter(quantity.reading, quantity.meter_key)
        return f"{opening}{quantity.events}{closing}"
    if quantity.reported_at is None:
        return _AWAITED
    return f'{{"reportedAt":"{quantity.reported_at.isoformat()}","source":"report"}}'


@lru_cache(maxsize=4096)
def _meter(reading: MeterReading, key: str) -> tuple[str, str]:
    """What stands before and after the number of events."""
    opening = canonical_json({"aggregation": reading.aggregation, "eventType": reading.event_type})
    rest: dict[str, object] = {"meter": key, "source": "meter"}
    if reading.filters:
        rest["filters"] = {path: list(values) for path, values in reading.filters}
    if reading.value_property is not None:
        rest["valueProperty"] = reading.value_property
    return f'{opening[:-1]},"events":', f",{canonical_json(rest)[1:]}"
