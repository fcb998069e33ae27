"""Finds late usage: notes what has changed, then looks there."""

from invoicing.late_usage.note_touched import note_touched
from invoicing.late_usage.settle_looks import settle_looks


def find_late_usage() -> int:
    """One turn of the schedule, bounded: what is left is the next one's. Returns how many customers were looked at."""
    note_touched()
    return settle_looks()
