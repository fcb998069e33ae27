"""Owns how a moment is written where speed matters: rows, their JSON, their fingerprint. Pure.

A close writes thirty times for each invoice, few of them different, and a text takes a microsecond to make.
"""

from datetime import UTC, datetime
from functools import lru_cache

_text = lru_cache(maxsize=4096)(datetime.isoformat)


def time_text(moment: datetime) -> str:
    """As `moment.isoformat()`. Only texts in UTC are kept: equal moments of different zones are written differently."""
    return _text(moment) if moment.tzinfo is UTC else moment.isoformat()
