"""Owns how often something recurs and when it expires, as the wire says it: words, ISO 8601, counts of units. Pure."""

from datetime import datetime
from typing import Final

from core.periods import Cadence, read_duration

WORDS: Final = {"DAY": "P1D", "WEEK": "P1W", "MONTH": "P1M", "YEAR": "P1Y"}
_WORD_OF: Final = {iso: word for word, iso in WORDS.items()}
_UNITS: Final = {"HOUR": "PT{}H", "DAY": "P{}D", "WEEK": "P{}W", "MONTH": "P{}M", "YEAR": "P{}Y"}
EXPIRATIONS: Final = tuple(_UNITS)
_MOST_MONTHS, _MOST_DAYS = 1200, 36_525
_LAST_YEAR = 2999


def iso_of(interval: str) -> str:
    """The ISO 8601 duration that a word or a duration stands for."""
    return WORDS.get(interval, interval)


def word_of(iso: str) -> str:
    """The word for a duration that has one, else the duration itself."""
    return _WORD_OF.get(iso, iso)


def cadence_of(interval: str) -> Cadence | None:
    """What recurs every `interval`: whole days, or whole months, a century at most; None for any other text."""
    duration = read_duration(iso_of(interval))
    if duration is None or duration.seconds or bool(duration.months) == bool(duration.days):
        return None
    if duration.months > _MOST_MONTHS or duration.days > _MOST_DAYS:
        return None
    return Cadence(duration.text, duration.months, duration.days)


def expiry(effective_at: datetime, unit: str, count: int, zone: str) -> datetime | None:
    """The moment `count` of `unit` after `effective_at`, by the calendar of `zone`; None beyond the year 2999."""
    duration = read_duration(_UNITS[unit].format(count))
    if duration is None:
        return None
    try:
        moment = duration.after(effective_at, zone)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year <= _LAST_YEAR else None
