"""Owns invariant 8, the conservation of usage: the quantity of every attributed event in an item's active time is
billed, waived, open, or late.

Three things prove it. The windows of an item, settled and open, hold each of its events once. And what the events of a
settled window come to now is what it was billed for; the rest came late, and is to be decided (billing rules 6). What
was reported after a period's snapshot is late in the same way.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from core.money import WIDE, ZERO, trimmed
from customers.attribution import Attribution
from entitlements.features.selectors import features_by_id
from entitlements.metering.store.partitions import kept_since
from entitlements.metering.usage import (
    NO_USAGE,
    MeterReading,
    UsageRequest,
    reading_of,
    reversed_since,
    usage_of,
)
from entitlements.models import Feature
from invoicing.books.attribution import attributed_twice, subscribed_twice
from invoicing.books.examination import (
    CUSTOMERS_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.books.histories import History, histories, name_item, subscribers
from invoicing.books.late_cases import LATE, cases_without_usage, reported_late
from invoicing.books.rollups import rollups_equal_events
from invoicing.choices import LATE_USAGE_SETTLED, InvoiceStatus, LineKind
from invoicing.closing.plan import PlannedLine
from invoicing.closing.quantities import Quantity, quantities_of
from invoicing.models import InvoiceLine, LateUsageCase
from invoicing.rating.basis import FromMeter, Metering
from invoicing.rating.explanation import ChargeExplanation
from invoicing.rating.explanation_json import read_explanation
from invoicing.windows.billed_and_waiting import Billed
from subscriptions.schedule import Obligation, RevisionFacts, obligations
from subscriptions.schedule.obligations import Group, active_spans

GONE = "Events were changed or removed. Restore them from a backup, or credit the difference."
LOST = "Find out which change moved the window, and bill the time that is left."

_Span = tuple[datetime, datetime]


@dataclass(slots=True)
class _Item:
    """One metered item: the events of its active time, read by one meter, and the windows that are to hold them."""

    name: str
    reading: MeterReading
    subjects: Sequence[Attribution]
    active: list[_Span] = field(default_factory=list)
    windows: list[_Span] = field(default_factory=list)


@dataclass(slots=True)
class _Settled:
    """A settled window as its lines say it was billed. `events` and `metering` are those of then."""

    quantity: Decimal = ZERO
    events: int = 0
    metering: Metering | None = None
    is_collected: bool = True
    name: str = ""
    snapshot_at: datetime | None = None
    is_decided: bool = False


def usage_is_conserved(exam: Examination) -> Iterator[Finding]:
    """Each event of an item's active time is in exactly one window, each settled window was billed for what its events
    come to, and no event is attributed to two customers or to two subscriptions of one. Rollups say what events say."""
    yield from rollups_equal_events()
    yield from attributed_twice()
    yield from subscribed_twice()
    yield from piece_by_piece(exam, subscribers(), CUSTOMERS_AT_ONCE, usage_of_customers)


def usage_of_customers(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    """What is wrong with the usage of these customers, in the time of which events are kept."""
    known = [history for history in histories(exam, ids) if history.loaded is not None]
    kept = kept_since()
    features = features_of(known)
    items: dict[tuple[uuid.UUID, MeterReading], _Item] = {}
    settled: list[tuple[History, Obligation, Billed, PlannedLine]] = []
    for history in known:
        for obligation, window, line in _windows(exam, history, features, items, kept):
            if window.end == obligation.settles_until:
                settled.append((history, obligation, window, line))
        exam.count(1)
    yield from _events_in_no_window(items.values())
    billed = billed_quantities({window.id for _, _, window, _ in settled})
    _count_reversals_from_the_first_part(settled, billed)
    yield from _compare(exam, _last_of_groups(settled, billed), billed, features)
    yield from reported_late(ids)


def _count_reversals_from_the_first_part(
    settled: Sequence[tuple[History, Obligation, Billed, PlannedLine]], billed: Mapping[uuid.UUID, _Settled]
) -> None:
    """A part that took up no events may have been below nothing when it was read: then it was billed for nothing, and
    what was reversed between the parts before it and this one is missing ever since."""
    first: dict[tuple[uuid.UUID, datetime], datetime] = {}
    parts = []
    for _, obligation, window, _ in settled:
        read_at = billed[window.id].snapshot_at if window.id in billed else None
        if obligation.group is not None and read_at is not None:
            key = (obligation.item.id, obligation.group.start)
            first[key] = min(first.get(key, read_at), read_at)
            parts.append((key, billed[window.id]))
    for key, part in parts:
        if part.events == 0 and not part.is_decided:
            part.snapshot_at = first[key]


def _last_of_groups(
    settled: Sequence[tuple[History, Obligation, Billed, PlannedLine]], billed: Mapping[uuid.UUID, _Settled]
) -> list[tuple[History, Obligation, Billed, PlannedLine]]:
    """Of the settled windows, those which are no parts, and the last one of each group: it was billed for all that the
    group came to, less what the others were (billing rules 7). A group of which an earlier part is still to be billed,
    or counted, is left out: that one takes what they leave it."""
    parts: dict[tuple[uuid.UUID, datetime], dict[datetime, bool]] = defaultdict(dict)
    for _, obligation, window, _ in settled:
        if obligation.group is not None:
            is_counted = window.id not in billed or billed[window.id].is_collected
            parts[obligation.item.id, obligation.group.start][obligation.start] = is_counted
    return [
        each
        for each in settled
        if (group := each[1].group) is None or _ends_at(group, each[1].start, parts[each[1].item.id, group.start])
    ]


def _ends_at(group: Group, start: datetime, counted: Mapping[datetime, bool]) -> bool:
    """Whether the part from `start` on is the last one of those that are settled, and all before it are counted."""
    return start == max(counted) and all(counted.get(part.start) for part in group.parts if part.start < start)


def features_of(known: Sequence[History]) -> dict[uuid.UUID, Feature]:
    """The features that anything of these customers has or had, by id."""
    return features_by_id(
        {
            revision.feature_id
            for history in known
            if history.loaded is not None
            for subscription in history.loaded.subscriptions
            for item in subscription.facts.items
            for revision in item.revisions
            if revision.feature_id is not None
        }
    )


def _windows(
    exam: Examination,
    history: History,
    features: Mapping[uuid.UUID, Feature],
    items: dict[tuple[uuid.UUID, MeterReading], _Item],
    kept: datetime | None,
) -> Iterator[tuple[Obligation, Billed, PlannedLine]]:
    """The settled metered windows of a customer whose events are all kept; fills in where the events of each item are
    to be looked for."""
    first = kept or datetime.min.replace(tzinfo=UTC)
    assert history.loaded is not None
    left = dict(history.loaded.billed)
    for subscription in history.loaded.subscriptions:
        facts = subscription.facts
        for item in facts.items:
            for revision, span in active_spans(facts, item):
                reading = metered_by(revision, features)
                if reading is None or span.start >= exam.as_of:
                    continue
                name = f"Item {item.running_number} ({item.key}) of {history.name}"
                mine = items.setdefault((item.id, reading), _Item(name, reading, history.loaded.subjects))
                end = min(span.end or exam.as_of, exam.as_of)
                if end > first:
                    mine.active.append((max(span.start, first), end))
        for obligation in obligations(facts, since=facts.start, as_of=exam.as_of):
            if obligation.is_flat or obligation.start >= exam.as_of:
                continue
            reading = metered_by(obligation.revision, features)
            window = left.pop(obligation.key, None)
            known = None if reading is None else items.get((obligation.item.id, reading))
            if known is None:
                continue
            end = obligation.end if window is None else window.end or exam.as_of
            if min(end, exam.as_of) > first:
                known.windows.append((max(obligation.start, first), min(end, exam.as_of)))
            if usage_start(obligation) >= first and window is not None and _is_countable(obligation.revision, features):
                terms = subscription.terms[obligation.revision.id]
                yield obligation, window, PlannedLine(obligation, terms, (), obligation.invoice_at)


def usage_start(obligation: Obligation) -> datetime:
    """From when on the usage of a window is counted: what its period had before it goes into its quantity."""
    return min([obligation.start, *(use.start for use in obligation.earlier)])


def metered_by(revision: RevisionFacts, features: Mapping[uuid.UUID, Feature]) -> MeterReading | None:
    """How the usage of these terms is read; None where it is no metered usage."""
    feature = None if revision.feature_id is None else features.get(revision.feature_id)
    by_usage = revision.price is not None and not revision.price.is_flat and revision.cadence is not None
    return reading_of(feature) if by_usage and feature is not None else None


def _is_countable(revision: RevisionFacts, features: Mapping[uuid.UUID, Feature]) -> bool:
    """Whether the meter still counts. By one that was deleted, nothing is compared any more."""
    feature = None if revision.feature_id is None else features.get(revision.feature_id)
    return feature is not None and feature.meter is not None and feature.meter.deleted_at is None


def _events_in_no_window(items: Iterable[_Item]) -> Iterator[Finding]:
    """Events of an item's active time that none of its windows holds, or several do, and such as its windows hold
    outside of that time. Each is looked for by itself: one that is missing and one that counts twice make no sum that
    is right. Asks only about items whose windows are not exactly its active time."""
    asked = [item for item in items if _merged(item.active) != _merged(item.windows) or _overlaps(item.windows)]
    requests = []
    for index, item in enumerate(asked):
        active = _merged(item.active)
        held = _merged(item.windows)
        parts = (active, _without(active, held), _overlaps(item.windows), _without(held, active))
        requests += [
            UsageRequest(4 * index + place, item.reading, item.subjects, tuple(spans))
            for place, spans in enumerate(parts)
            if spans
        ]
    found = usage_of(requests)
    for index, item in enumerate(asked):
        whole, missing, several, outside = (found.get(4 * index + place, NO_USAGE) for place in range(4))
        if missing.events or several.events or outside.events:
            yield Finding(
                item.name,
                f"{whole.events} events are in its active time, which come to {trimmed(whole.quantity)}. Its windows, "
                f"billed and open, miss {missing.events} of them, which come to {trimmed(missing.quantity)}, hold "
                f"{several.events} more than once ({trimmed(several.quantity)}), and {outside.events} from outside of "
                f"that time ({trimmed(outside.quantity)}).",
                LOST,
            )


def _merged(spans: Sequence[_Span]) -> list[_Span]:
    """The spans in order of time, those that touch as one."""
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _overlaps(spans: Sequence[_Span]) -> list[_Span]:
    """The time that several of the spans hold, in order, those that touch as one."""
    held: list[_Span] = []
    taken_until: datetime | None = None
    for start, end in sorted(spans):
        if taken_until is not None and start < min(taken_until, end):
            held.append((start, min(taken_until, end)))
        taken_until = end if taken_until is None else max(taken_until, end)
    return _merged(held)


def _without(spans: Sequence[_Span], others: Sequence[_Span]) -> list[_Span]:
    """What of the spans none of the others holds. Both are merged."""
    left: list[_Span] = []
    for start, end in spans:
        for other_start, other_end in others:
            if other_end <= start or end <= other_start:
                continue
            if start < other_start:
                left.append((start, other_start))
            start = other_end
        if start < end:
            left.append((start, end))
    return left


def _compare(
    exam: Examination,
    settled: Sequence[tuple[History, Obligation, Billed, PlannedLine]],
    billed: Mapping[uuid.UUID, _Settled],
    features: dict[uuid.UUID, Feature],
) -> Iterator[Finding]:
    """What the events of settled windows come to now against what was billed for them."""
    asked = [each for each in settled if each[2].id in billed and billed[each[2].id].is_collected]
    lines = [(line, history.loaded.subjects if history.loaded else ()) for history, _, _, line in asked]
    different = [
        (each, billed[each[2].id], now)
        for each, now in zip(asked, quantities_of(lines, features, exam.as_of), strict=True)
        # Who has since read the usage by another meter, or by other filters, can't compare it with what was billed.
        # Adjustments alone, which stand where the first line does not, say nothing about how they were read.
        if now.quantity is not None
        and billed[each[2].id].metering in (None, _metering(now))
        and _differs(each[1], billed[each[2].id].quantity, WIDE.subtract(now.quantity, now.shortfall))
    ]
    yield from cases_without_usage({each[2].id for each in asked} - {each[2].id for each, _, _ in different})
    taken_back = _taken_back(exam, different)
    for index, ((history, obligation, _, _), then, now) in enumerate(different):
        assert now.quantity is not None
        come_to = WIDE.subtract(now.quantity, now.shortfall)
        more, fewer = now.events - now.events_short - then.events, taken_back.get(index, 0)
        if more + fewer < 0:
            yield Finding(
                then.name,
                f"it was billed for {trimmed(then.quantity)}; its events come to {trimmed(come_to)}.",
                GONE,
            )
            continue
        difference = WIDE.subtract(come_to, then.quantity)
        why = f"by {more + fewer} more events" if more + fewer or not fewer else ""
        without = f"without {fewer} that were reversed" if fewer else ""
        yield Finding(
            name_item(obligation, history.name),
            f"late usage of {trimmed(difference)} from {obligation.start:%Y-%m-%d %H:%M} to "
            f"{obligation.end:%Y-%m-%d %H:%M} UTC: billed for {trimmed(then.quantity)} on {then.name}, it comes to "
            f"{trimmed(come_to)} now, {' and '.join(filter(None, (why, without)))}.",
            LATE,
            to_decide=True,
            usage_since=usage_start(obligation),
        )


def _differs(window: Obligation, billed: Decimal, now: Decimal) -> bool:
    """Whether what a window comes to now is more or less than it was billed for. What is more in a group whose last
    part is still to be billed is not late: that one takes it up."""
    return now < billed if not window.is_last_part else now != billed


def _taken_back(
    exam: Examination, different: Sequence[tuple[tuple[History, Obligation, Billed, PlannedLine], _Settled, Quantity]]
) -> Mapping[int, int]:
    """Of each of these windows, how many events were reversed since they were billed. One query."""
    requests, since = [], {}
    for index, ((history, obligation, _, _), then, now) in enumerate(different):
        if then.snapshot_at is not None and now.reading is not None and history.loaded is not None:
            span = ((obligation.group or obligation).start, min(obligation.end, exam.as_of))
            requests.append(UsageRequest(index, now.reading, history.loaded.subjects, (span,)))
            since[index] = then.snapshot_at
    return reversed_since(requests, since)


def billed_quantities(window_ids: set[uuid.UUID]) -> dict[uuid.UUID, _Settled]:
    """What these windows were billed for, or would have been where that was waived."""
    found: dict[uuid.UUID, _Settled] = defaultdict(_Settled)
    lines = InvoiceLine.objects.counted().filter(
        window_id__in=window_ids, kind=LineKind.USAGE, metered_quantity__isnull=False
    )
    lines = lines.exclude(invoice__status__in=[InvoiceStatus.GATHERING, InvoiceStatus.VOIDED])
    for line in lines.select_related("invoice__customer").order_by("id"):
        assert line.window_id is not None and line.metered_quantity is not None
        customer, settled = line.invoice.customer, found[line.window_id]
        invoice = name_invoice(
            line.invoice.number, line.invoice_id, name_customer(customer.name, customer.key, customer.id)
        )
        settled.name = f"{invoice}, line {line.name}"
        settled.quantity = WIDE.add(settled.quantity, line.metered_quantity)
        taken_at = line.invoice.quantity_snapshoted_at
        settled.is_collected &= taken_at is not None
        if taken_at is not None:
            settled.snapshot_at = min(settled.snapshot_at or taken_at, taken_at)
        explanation = None if line.explain is None else read_explanation(line.explain)
        basis = explanation.basis if isinstance(explanation, ChargeExplanation) else None
        if basis is not None and isinstance(basis.quantity, FromMeter):
            settled.events += basis.quantity.events
            settled.metering = replace(basis.quantity.metering, meter="")
    decided = LateUsageCase.objects.filter(window_id__in=window_ids, state__in=LATE_USAGE_SETTLED)
    for case in decided.order_by("id"):
        settled = found[case.window_id]
        settled.name = settled.name or str(case)
        settled.quantity = WIDE.add(settled.quantity, case.quantity)
        settled.events += case.events
        # By then what was reversed is left out.
        settled.is_decided = True
        settled.snapshot_at = max(filter(None, (settled.snapshot_at, case.decided_at)), default=None)
    return found


def _metering(quantity: Quantity) -> Metering | None:
    reading = quantity.reading
    if reading is None:
        return None
    return Metering("", reading.aggregation, reading.event_type, reading.value_property, reading.filters)
