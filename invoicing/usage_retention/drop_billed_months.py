"""Drops the months of usage events that are older than events are kept, and that nothing billed still needs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from core.audit.services.record import record
from core.locks import lock_alone
from entitlements.errors import RollupsUnfinished
from entitlements.metering.store.partitions import drop_months, ends_of_months, month_of
from entitlements.models import UsageEvent
from invoicing.books.check import one_snapshot
from invoicing.books.examination import Examination
from invoicing.usage_retention.needed import ALWAYS, Need, usage_needed

_DROPPING = 0x64726F70  # "drop": one at a time


class Dropped(NamedTuple):
    """The names of the months that went, and what still needs the first one that stayed, if anything does."""

    months: list[str]
    held_by: Need | None


def drop_billed_months(
    *,
    now: datetime,
    leave_late_usage: str = "",
    progress: Callable[[int], None] = lambda checked: None,
) -> Dropped:
    """Drop, oldest first, each month that ended `USAGE_RETENTION_MONTHS` whole months before that of `now`, as long as
    no window, late usage or rollup that is still being built needs what is in it; nothing where no retention is set.
    `leave_late_usage` is why late usage that is to be decided may be left unbilled. Each month is a transaction with
    its line in the audit trail.

    Rollups stay: usage is still read by whole hours, and what was billed is frozen anyway. Ingest refuses events of
    that time (`too_old`), so that none comes in twice once the keys are gone.
    """
    if not settings.USAGE_RETENTION_MONTHS:
        return Dropped([], None)
    ends = ends_of_months(month_of(now, -settings.USAGE_RETENTION_MONTHS))
    if not ends:
        return Dropped([], None)
    with one_snapshot():
        exam = Examination(now, timedelta(0), lambda said: None, progress)
        needs = (need for need in usage_needed(exam) if not (need.late and leave_late_usage))
        first = min(needs, key=lambda need: need.since, default=None)
    dropped: list[str] = []
    for end in ends:
        if first is not None and first.since < end:
            return Dropped(dropped, first)
        try:
            dropped += _drop(end, leave_late_usage)
        except RollupsUnfinished as unfinished:
            return Dropped(dropped, Need(ALWAYS, unfinished.message))
    return Dropped(dropped, None)


@transaction.atomic
def _drop(end: datetime, leave_late_usage: str) -> list[str]:
    lock_alone(_DROPPING)
    state = "all of them billed but late usage that was left" if leave_late_usage else "all of them billed"
    names = drop_months(end)
    for _ in names:
        record(
            verb="usage_events.dropped",
            target=UsageEvent(type="usage events", external_id=f"before {end:%Y-%m-%d}"),
            did=f"dropped the usage events from before {end:%Y-%m-%d %H:%M} UTC, {state}",
            reason=leave_late_usage,
        )
    return names
