"""Asks metering for the usage of the segments of many burn-downs at once.

What sums or counts adds up over segments. Of a unique count, a maximum or a latest value, a segment's usage is what the
figure of its usage period grew by: the figure from where the period began up to the segment's end, less the one up to
its start, so that the usage of a period is always the period's figure. It shrinks where a latest value falls.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from django.db import connection

from core.bulk import array_text, times_array
from core.money import WIDE
from customers.attribution import Attribution
from entitlements.access.burndown import Segment
from entitlements.choices import Aggregation
from entitlements.metering.reading import MeterReading, UsageRequest, windows_of
from entitlements.metering.usage import usage_of

ADDS_UP = frozenset({Aggregation.SUM, Aggregation.COUNT})
MEASURABLE = ADDS_UP | {Aggregation.UNIQUE_COUNT, Aggregation.MAX, Aggregation.LATEST}
"""An average or a minimum uses nothing up."""


@dataclass(frozen=True, slots=True)
class UsageNeed:
    """The segments of one burn-down, and whose usage they are of; `counted` are spans whose events are to be counted,
    for whoever wants to know whether there are more than there were."""

    reading: MeterReading
    subjects: Sequence[Attribution]
    segments: Sequence[Segment]
    counted: Sequence[tuple[datetime, datetime]] = ()


@dataclass(frozen=True, slots=True)
class UsageFound:
    """The usage of each segment, and how many events each counted span has and how many were reversed in it, in
    order."""

    usages: list[Decimal]
    events: list[int]
    reversals: list[int]


def find_usage(needs: Mapping[uuid.UUID, UsageNeed], *, any_reversed: bool = True) -> dict[uuid.UUID, UsageFound]:
    """The usage that each of `needs` asks for. Two queries, or one where nothing is to be counted or none of all these
    events was reversed up to now (`any_reversed`).

    Reversals are counted first: one that comes between the queries is missed by the count and not by the usage, so that
    whoever compares the counts later sees that there are more.
    """
    reversed_in = _reversals(needs if any_reversed else {})
    requests: list[UsageRequest] = []
    for need in needs.values():
        adds_up = Aggregation(need.reading.aggregation) in ADDS_UP
        for segment in need.segments:
            start = segment.start if adds_up else segment.counted_from
            requests.append(UsageRequest(len(requests), need.reading, need.subjects, [(start, segment.end)]))
        requests += [
            UsageRequest(len(requests) + number, replace(need.reading, only_events=True), need.subjects, [span])
            for number, span in enumerate(need.counted)
        ]
    found = usage_of(requests)
    answers = (found[request.key] for request in requests)
    answer: dict[uuid.UUID, UsageFound] = {}
    with localcontext(WIDE):
        for name, need in needs.items():
            figures = [next(answers).quantity for _ in need.segments]
            events = [next(answers).events for _ in need.counted]
            reversals = [reversed_in.get((name, number), 0) for number in range(len(need.counted))]
            answer[name] = UsageFound(_usages(need, figures), events, reversals)
    return answer


def _reversals(needs: Mapping[uuid.UUID, UsageNeed]) -> Mapping[tuple[uuid.UUID, int], int]:
    """How many events were reversed in each counted span, by whose it is and its place."""
    names = [(name, number) for name, need in needs.items() for number in range(len(need.counted))]
    found = dict.fromkeys(names, 0)
    columns: list[tuple[int, str, str, datetime, datetime]] = []
    for key, (name, number) in enumerate(names):
        need = needs[name]
        request = UsageRequest(key, need.reading, need.subjects, [need.counted[number]])
        for window in windows_of(need.reading, [request]):
            columns.append((key, need.reading.event_type, *window[1:]))
    if not columns:
        return found
    keys, types, subjects, starts, ends = zip(*columns, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.key, count(*)
            FROM unnest(%s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                AS w(key, type, subject, t0, t1)
            JOIN entitlements_eventreversal r
                ON r.subject = w.subject AND r.type = w.type AND r.time >= w.t0 AND r.time < w.t1
            GROUP BY w.key
            """,
            [
                array_text(keys),
                array_text(types, quoted=True),
                array_text(subjects, quoted=True),
                times_array(starts),
                times_array(ends),
            ],
        )
        for key, number in cursor.fetchall():
            found[names[key]] = number
    return found


def _usages(need: UsageNeed, figures: list[Decimal]) -> list[Decimal]:
    if Aggregation(need.reading.aggregation) in ADDS_UP:
        free = Decimal(0)
        return [free if segment.is_free else figure for segment, figure in zip(need.segments, figures, strict=True)]
    usages, before, counted_from = [], Decimal(0), None
    for segment, figure in zip(need.segments, figures, strict=True):
        if segment.counted_from != counted_from:
            before, counted_from = Decimal(0), segment.counted_from
        figure = max(figure, Decimal(0))
        usages.append(Decimal(0) if segment.is_free else figure - before)
        before = figure
    return usages
