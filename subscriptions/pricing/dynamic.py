"""Owns the dynamic price: the events bring their own amounts, the price multiplies them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from core.money import ONE, to_wire
from subscriptions.pricing.base import Charge, Price, Usage, single
from subscriptions.pricing.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicPrice(Price):
    """The metered quantity is an amount in the line's currency; it is charged times `multiplier`."""

    type: ClassVar[str] = "dynamic"

    multiplier: Decimal = ONE

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        return single("dynamic", "Metered amount", usage.quantity, self.multiplier)

    def _own_wire(self) -> dict[str, Any]:
        return {"multiplier": to_wire(self.multiplier)}


def read(reader: Reader) -> DynamicPrice:
    """The dynamic price in `reader`; a bad multiplier is noted there."""
    multiplier = reader.decimal("multiplier", required=False)
    return DynamicPrice(multiplier=ONE if multiplier is None else multiplier, **reader.commitments())
