"""Owns the way from price JSON to price objects: one entry point, one reader a price model."""

from collections.abc import Callable, Mapping
from typing import Any

from core.errors import field_error
from subscriptions.pricing import dimensional, dynamic, flat, package, percentage, tiered, unit
from subscriptions.pricing.base import Price
from subscriptions.pricing.reading import Reader

_READERS: dict[str, Callable[[Reader], Price | None]] = {
    "flat": flat.read,
    "unit": unit.read,
    "package": package.read,
    "tiered": tiered.read,
    "dynamic": dynamic.read,
    "percentage": percentage.read,
    "dimensional": dimensional.read,
}


def parse_price(wire: Mapping[str, Any] | None, field: str = "price") -> Price | None:
    """The price that `wire` describes in the REST API's form; None stays None (an item without a price is free).

    InvalidInput lists every bad field, each by its dotted path under `field`.
    """
    if wire is None:
        return None
    if not isinstance(wire, Mapping):
        raise field_error(field, "not_an_object", f"{field} must be an object or null.")
    reader = Reader(wire, field)
    kind = reader.choice("type", tuple(_READERS))
    if kind is None:
        # Without a type, all other fields would be called unknown, which helps nobody.
        reader.raise_problems()
    price = _READERS[str(kind)](reader)
    reader.finish()
    return price
