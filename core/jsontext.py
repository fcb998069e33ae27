"""JSON as text: the same text for equal values, also after a round trip through PostgreSQL's jsonb."""

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
