"""Owns what a timeline shows besides the audit trail: what an object's own columns say happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A sentence of a timeline that is no audit entry: nobody did it by hand, so nobody recorded it."""

    at: datetime
    sentence: SafeString

    # What the timeline asks of every entry.
    actor_kind = "system"
    is_derived = True


def merge_timeline(
    entries: Sequence[Any], timeline_entries: Sequence[TimelineEntry], *, is_first: bool, is_last: bool
) -> list[Any]:
    """A page of a trail, the newest first, with the happenings of its span; all of them where it is the only page."""
    oldest, newest = (entries[-1].at, entries[0].at) if entries else (None, None)
    fitting = [
        entry
        for entry in timeline_entries
        if (is_first or newest is None or entry.at < newest) and (is_last or oldest is None or entry.at >= oldest)
    ]
    return sorted([*entries, *fitting], key=lambda entry: entry.at, reverse=True)
