"""Owns what a timeline shows besides the audit trail: what a thing's own columns say happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class Happening:
    """A sentence of a timeline that is no audit entry: nobody did it by hand, so nobody recorded it."""

    at: datetime
    sentence: SafeString

    # What the timeline asks of every entry.
    actor_kind = "system"
    is_derived = True


def woven(entries: Sequence[Any], happenings: Sequence[Happening], *, is_first: bool, is_last: bool) -> list[Any]:
    """A page of a trail, the newest first, with the happenings of its span; all of them where it is the only page."""
    oldest, newest = (entries[-1].at, entries[0].at) if entries else (None, None)
    fitting = [
        happening
        for happening in happenings
        if (is_first or newest is None or happening.at < newest)
        and (is_last or oldest is None or happening.at >= oldest)
    ]
    return sorted([*entries, *fitting], key=lambda entry: entry.at, reverse=True)
