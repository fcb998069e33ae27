"""Owns the due date of an invoice (billing rules 6). Pure."""

from datetime import datetime

from core.periods import parse_duration


def due_at(issued_at: datetime, due_after: str) -> datetime:
    """The issue date plus the frozen `dueAfter`, an ISO duration such as P30D; UTC. InvalidInput for another text."""
    return parse_duration(due_after).after(issued_at)
