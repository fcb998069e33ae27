"""Taking in usage events: all of a batch or nothing, each event once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from core import clock
from core.errors import FieldProblem
from core.ids import new_ids
from core.prepared import prepared_cursor
from entitlements.choices import Aggregation
from entitlements.errors import BadEvent
from entitlements.metering.event_checks import MAX_TEXT, MeterCheck, TimeBounds, checked, problems_of, read
from entitlements.metering.store.chosen import USAGE_STORE
from entitlements.metering.store.interface import NewEvent
from entitlements.metering.store.locks import share_types
from entitlements.metering.store.partitions import month_of
from entitlements.metering.store.rollup_sql import Rolled
from entitlements.models import DroppedUsage

MAX_BATCH = 10_000


def ingest_events(*, events: Sequence[Any], single: bool = False) -> int:
    """Store CloudEvents (as JSON values with exact numbers) and add them to the rollups; how many were new.

    An event is known by its source and id: one that was stored before, or comes twice, is dropped silently. An event
    without a time gets the current one. One that no meter reads is kept: its meter may come later. Raises `BadEvent`
    with the index and field of all that is wrong (only the field, where a `single` event was sent), and stores nothing.

    Three queries, however many events, in one transaction: the batch is there as a whole or not at all.
    """
    if len(events) > MAX_BATCH:
        raise BadEvent(f"A batch has at most {MAX_BATCH} events; this one has {len(events)}. Nothing was stored.")
    now = clock.now()
    types = _types_of(events)
    with transaction.atomic():
        share_types(types)
        meters, rollups, dropped = _readers(types)
        bounds = time_bounds(now, dropped)
        rows, problems = [], []
        for index, event in enumerate(events):
            row = checked(event, bounds, meters)
            if row is None:
                found = problems_of(event, "" if single else f"{index}.", bounds, meters)
                problems += found
                row = None if found else read(event, bounds)
            if row is not None:
                rows.append(row)
        if problems:
            raise _refusal(problems, single=single)
        new = []
        if rows:
            sources, external_ids, *others = zip(*rows, strict=True)
            new = list(map(NewEvent, sources, external_ids, new_ids(len(rows)), *others))
        return USAGE_STORE.store_events(new, rollups=rollups, now=now)


def time_bounds(now: datetime, dropped: datetime | None) -> TimeBounds:
    """Which times of events are taken at `now`: `USAGE_AHEAD_DAYS` ahead, and as old as events are kept; none from
    before `dropped`, whatever the settings say today: nobody knows any more which of these were counted."""
    kept = settings.USAGE_RETENTION_MONTHS
    first = max((each for each in (month_of(now, -kept) if kept else None, dropped) if each is not None), default=None)
    return TimeBounds(now, first, now + timedelta(days=settings.USAGE_AHEAD_DAYS))


def dropped_before() -> datetime | None:
    """The moment before which events were dropped; None where none were."""
    found: datetime | None = DroppedUsage.objects.aggregate(before=Max("before"))["before"]
    return found


def _types_of(events: Sequence[Any]) -> set[str]:
    """The types of the events, as far as one can be told: of few kinds, however many events."""
    kinds = {
        kind
        for event in events
        # The exact type first: asking for any mapping costs ten times as much.
        if (type(event) is dict or isinstance(event, Mapping)) and isinstance(kind := event.get("type"), str)
    }
    return {kind for kind in kinds if len(kind) <= MAX_TEXT and "\x00" not in kind}


_READERS = """
    SELECT dropped.before, reader.* FROM (SELECT max(before) AS before FROM entitlements_droppedusage) AS dropped
    LEFT JOIN (
        SELECT m.event_type, m.key, m.aggregation, m.value_property, m.event_from, m.deleted_at IS NULL, r.id, r.paths
        FROM entitlements_meter m
        LEFT JOIN entitlements_meterrollup r ON r.meter_id = m.id AND r.dropped_at IS NULL
        WHERE m.event_type = ANY(%s::text[]) AND (m.deleted_at IS NULL OR r.id IS NOT NULL)
    ) AS reader ON true
    ORDER BY reader.id
"""


def _readers(types: set[str]) -> tuple[Mapping[str, list[MeterCheck]], list[Rolled], datetime | None]:
    """What meters ask of events of these types, the rollups that they go into, and the moment before which events were
    dropped."""
    checks: dict[str, list[MeterCheck]] = defaultdict(list)
    rollups: list[Rolled] = []
    with prepared_cursor() as cursor:
        cursor.run(_READERS, [sorted(types)])
        rows = cursor.fetchall()
        dropped: datetime | None = rows[0][0]
        for kind, key, aggregation, path, event_from, alive, rollup, paths in (row[1:] for row in rows):
            if kind is None:  # no meter reads any of them
                continue
            if rollup is not None:
                rollups.append(Rolled(rollup, kind, aggregation, path, tuple(paths)))
            check = MeterCheck(key, aggregation, path, event_from)
            if alive and aggregation != Aggregation.COUNT and check not in checks[kind]:
                checks[kind].append(check)
    return checks, rollups, dropped


def _refusal(problems: list[FieldProblem], *, single: bool) -> BadEvent:
    first = problems[0]
    what = "The event was not stored." if single else "None of the batch was stored."
    return BadEvent(f"{what} {first.field}: {first.message}", problems=problems)
