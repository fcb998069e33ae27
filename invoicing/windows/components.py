"""Owns how the components of a flat line are stored: as JSON, exact."""

import json
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
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


@lru_cache(maxsize=4096)
def components_from_text(text: str | None) -> tuple[Component, ...]:
    """The same from the column's text, read once for all who share it: quantities and boundaries are much the same."""
    return () if text is None else components_from_json(json.loads(text))


def components_to_json(components: tuple[Component, ...]) -> str | None:
    """Components as the text of a JSON column; None for a line without."""
    if not components:
        return None
    return canonical_json(
        [[str(c.quantity), c.numerator, c.denominator, time_text(c.start), time_text(c.end)] for c in components]
    )
