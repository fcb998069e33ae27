"""JSON as text: the same text for equal values, also after a round trip through PostgreSQL's jsonb."""

import json
from typing import Any, Final

# Made once: `json.dumps` would make an encoder for every call.
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """Keys sorted, no spaces."""
    return _ENCODER.encode(value)
