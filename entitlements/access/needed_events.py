"""Owns from when on the balance of an entitlement needs events themselves: rollups know whole hours, and an hour in
which anything but usage changes is told apart by its events alone."""

from datetime import datetime

from entitlements.access.balances import Burndown
from entitlements.access.burndown import Timeline, all_resets, segments


def events_needed_since(burndown: Burndown, now: datetime) -> datetime | None:
    """The hour (UTC) from which on events are needed for how things stand at `now` and later; None where rollups do.

    What was used before a reset that leaves nothing of it matters no more. Behind that, each moment within an hour at
    which a grant, a usage period or a subject begins or ends needs the events of its hour.
    """
    line = burndown.timeline
    if now < line.start:
        return None
    fresh = _fresh_since(line, now)
    moments = {fresh, *(part.start for part in segments(line, fresh, now))}
    edges = [edge for subject in burndown.subjects for edge in (subject.start, subject.end)]
    moments.update(edge for edge in (*edges, burndown.reading.event_from) if edge is not None and fresh <= edge <= now)
    cut = (moment for moment in moments if moment != _hour_of(moment))
    first = min(cut, default=None)
    return None if first is None else _hour_of(first)


def _fresh_since(line: Timeline, now: datetime) -> datetime:
    """The last reset after which nothing depends on what was used before; the start where there is none."""
    resets = all_resets(line, line.start, now + datetime.resolution)
    for moment in sorted(resets, reverse=True):
        if not resets[moment] and not any(
            grant.max_rollover > grant.min_rollover for grant in line.grants if grant.effective_at < moment < grant.end
        ):
            return moment
    return line.start


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
