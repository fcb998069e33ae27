"""Times in tests."""

from datetime import UTC, datetime


def at(text: str) -> datetime:
    """A time in UTC: `at("2026-03-17")` or `at("2026-03-17T08:30")`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
