"""Owns the unit price: one amount for each unit used."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from core.money import ONE, ZERO, to_wire
from subscriptions.pricing.base import Charge, Price, Step, Usage, single
from subscriptions.pricing.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrice(Price):
    """`amount` for each unit; parts of a unit cost their part."""

    type: ClassVar[str] = "unit"

    amount: Decimal

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        return single("unit", "Units", usage.quantity, self.amount)

    def steps(self) -> tuple[Step, ...]:
        return (Step(ZERO, (), Charge("unit", "Units", ONE, self.amount)),)

    def _own_wire(self) -> dict[str, Any]:
        return {"amount": to_wire(self.amount)}


def read(reader: Reader) -> UnitPrice | None:
    """The unit price in `reader`, or None with the problems noted."""
    amount = reader.decimal("amount")
    commitments = reader.commitments()
    return None if amount is None else UnitPrice(amount=amount, **commitments)
