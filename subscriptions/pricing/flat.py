"""Owns the flat price: a fee that does not depend on usage, in advance or in arrears, times a quantity (seats)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from core.money import to_wire
from subscriptions.pricing.base import Charge, Price, Usage, single
from subscriptions.pricing.reading import Reader

IN_ADVANCE = "in_advance"
IN_ARREARS = "in_arrears"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatPrice(Price):
    """`amount` for each unit of the item's quantity and full period; shorter periods are prorated by rating."""

    type: ClassVar[str] = "flat"
    is_flat: ClassVar[bool] = True
    is_splittable: ClassVar[bool] = False

    amount: Decimal
    payment_term: str = IN_ADVANCE

    @property
    def in_advance(self) -> bool:
        return self.payment_term == IN_ADVANCE

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        return single("flat", "Flat fee", usage.quantity, self.amount)

    def _own_wire(self) -> dict[str, Any]:
        return {"amount": to_wire(self.amount), "paymentTerm": self.payment_term}


def read(reader: Reader) -> FlatPrice | None:
    """The flat price in `reader`, or None with the problems noted."""
    amount = reader.decimal("amount")
    term = reader.choice("paymentTerm", (IN_ADVANCE, IN_ARREARS), default=IN_ADVANCE)
    if amount is None or term is None:
        return None
    return FlatPrice(amount=amount, payment_term=term)
