"""Owns the percentage price: a share of the metered amount, and a fixed fee for each event."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from core.jsontext import json_number
from core.money import EXACT, to_wire
from subscriptions.pricing.base import Charge, Price, Usage, single
from subscriptions.pricing.reading import Reader, percent_text

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentagePrice(Price):
    """`percentage` (2.9 means 2.9 %) of the metered amount, and `fee_per_event` for each event of the window.

    Free units lower the metered amount; the fee is charged for every event.
    """

    type: ClassVar[str] = "percentage"
    counts_events: ClassVar[bool] = True

    percentage: Decimal
    fee_per_event: Decimal | None = None

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        rate = EXACT.multiply(self.percentage, _HUNDREDTH)
        share = single("percentage", f"{percent_text(self.percentage)} of the amount", usage.quantity, rate)
        if not self.fee_per_event:
            return share
        return share + single("event_fee", "Fee per event", Decimal(usage.events), self.fee_per_event)

    def _own_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"percentage": json_number(self.percentage)}
        if self.fee_per_event is not None:
            wire["fixedFeePerEvent"] = to_wire(self.fee_per_event)
        return wire


def read(reader: Reader) -> PercentagePrice | None:
    """The percentage price in `reader`, or None with the problems noted."""
    percentage = reader.percentage("percentage")
    fee = reader.decimal("fixedFeePerEvent", required=False)
    commitments = reader.commitments()
    return None if percentage is None else PercentagePrice(percentage=percentage, fee_per_event=fee, **commitments)
