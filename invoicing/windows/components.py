"""Owns how the components of a flat line are stored: as JSON, exact."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from core.jsontext import canonical_json
from core.times import time_text
from subscriptions.schedule import Component


def components_from_json(wire: list[Any] | None) -> tuple[Component, ...]:
    """The components of a stored flat line."""
    return tuple(
        Component(Decimal(quantity), numerator, denominator, datetime.fromisoformat(start), datetime.fromisoformat(end))
        for quantity, numerator, denominator, start, end in wire or ()
    )


def components_to_json(components: tuple[Component, ...]) -> str | None:
    """Components as the text of a JSON column; None for a line without."""
    if not components:
        return None
    return canonical_json(
        [[str(c.quantity), c.numerator, c.denominator, time_text(c.start), time_text(c.end)] for c in components]
    )
