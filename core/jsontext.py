"""JSON as text: the same text for equal values, also after a round trip through PostgreSQL's jsonb."""

import json
from decimal import Decimal
from typing import Any, Final

# Made once: `json.dumps` would make an encoder for every call.
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """Keys sorted, no spaces."""
    return _ENCODER.encode(value)


def json_number(value: Decimal) -> int | float:
    """For what the clients' types ask for as a JSON number: percentages, amounts of entitlements. Never money.

    Fifteen digits survive the trip exactly: a percentage has at most six places.
    """
    return int(value) if value == value.to_integral_value() else float(value)
