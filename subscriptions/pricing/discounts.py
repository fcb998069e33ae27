"""Owns the discounts of a rate card: a percentage off every part, and free units."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.errors import field_error
from core.jsontext import json_number
from core.money import to_wire
from subscriptions.pricing.base import Price
from subscriptions.pricing.reading import Reader


@dataclass(frozen=True, slots=True)
class Discounts:
    """`percentage` off each detailed line (50 means 50 %), `usage` units of each period free; None: none."""

    percentage: Decimal | None = None
    usage: Decimal | None = None

    def __bool__(self) -> bool:
        return self.percentage is not None or self.usage is not None

    def to_wire(self) -> dict[str, Any]:
        """The discounts as the REST API writes them."""
        wire: dict[str, Any] = {}
        if self.percentage is not None:
            wire["percentage"] = {"percentage": json_number(self.percentage)}
        if self.usage is not None:
            wire["usage"] = {"quantity": to_wire(self.usage)}
        return wire


NO_DISCOUNTS = Discounts()


def parse_discounts(
    wire: Mapping[str, Any] | None, field: str = "discounts", *, price: Price | None = None
) -> Discounts:
    """The discounts in `wire`; None gives none. InvalidInput names each bad field by its path under `field`.

    With `price`, discounts that this price can't have (free units of a flat fee) are refused too.
    """
    if wire is None:
        return NO_DISCOUNTS
    if not isinstance(wire, Mapping):
        raise field_error(field, "not_an_object", f"{field} must be an object or null.")
    reader = Reader(wire, field)
    percentage = quantity = None
    if (part := reader.child("percentage")) is not None:
        percentage = part.percentage("percentage", at_most=100)
        part.value("correlationId")
        part.close()
    if (part := reader.child("usage")) is not None:
        quantity = part.decimal("quantity")
        part.value("correlationId")
        part.close()
        if price is not None and price.is_flat:
            reader.problem("usage", "not_for_flat", f"{reader.path('usage')}: a flat price has no units to be free.")
    reader.finish()
    return Discounts(percentage=percentage, usage=quantity or None)
