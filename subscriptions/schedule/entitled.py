"""Decides what a customer's subscriptions entitle to, and when (billing rules 9). Pure.

An item of a feature entitles by its template for as long as it is active and the subscription is not paused. Where the
next stretch takes the place of one to the same feature, in the same subscription (an edit, a phase, a pause that ends)
or in the one that a change of plan put in its place with usage preserved, the running usage period goes on: usage keeps
counting from its start. With usage reset, a usage period begins there, as at any reset; otherwise all begins anew.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from core.periods import CADENCES, period_at
from subscriptions.schedule.facts import AnchorShift, QuantityAt, Span

_TICK = datetime.resolution


@dataclass(frozen=True, slots=True)
class EntitlingRevision:
    """An item's terms during `[start, end)`, with the template as on the wire. An add-on's item has its `quantities`,
    in order of time: each of it brings the allowance once."""

    item_id: uuid.UUID
    item_key: str
    start: datetime
    end: datetime | None
    feature_id: uuid.UUID
    feature_key: str
    template: Mapping[str, Any]
    quantities: tuple[QuantityAt, ...] = ()


@dataclass(frozen=True, slots=True)
class EntitlingSubscription:
    """What of a subscription its entitlements follow from. `keeps_usage`: whether it goes on with the usage of
    `previous_id`, which a change of plan ended for it."""

    id: uuid.UUID
    plan_key: str | None
    zone: str
    anchor: datetime
    start: datetime
    end: datetime | None
    revisions: tuple[EntitlingRevision, ...]
    shifts: tuple[AnchorShift, ...] = ()
    pauses: tuple[Span, ...] = ()
    previous_id: uuid.UUID | None = None
    keeps_usage: bool = True


class MeteredTerms(NamedTuple):
    """What a metered entitlement has. `amount` is what each usage period begins with; None: nothing by itself."""

    amount: Decimal | None
    priority: int
    soft_limit: bool
    preserve_overage: bool
    usage_period: str
    anchor: datetime


@dataclass(frozen=True, slots=True)
class EntitledSpan:
    """The customer is entitled to a feature during `[start, end)`, by an item of a subscription. `follows`: it takes
    the place of the one before it, whose usage period goes on unless it `resets_usage`. `measured_from` is where its
    usage counts from; None of what is not metered."""

    subscription_id: uuid.UUID
    item_id: uuid.UUID
    item_key: str
    plan_key: str | None
    zone: str
    feature_id: uuid.UUID
    feature_key: str
    start: datetime
    end: datetime | None
    type: str
    config: str | None = None
    metered: MeteredTerms | None = None
    follows: bool = False
    resets_usage: bool = False
    measured_from: datetime | None = None


def entitled_spans(subscriptions: Iterable[EntitlingSubscription]) -> list[EntitledSpan]:
    """What these subscriptions of one customer entitle to, in order of time, each feature once at a time."""
    known = {each.id: each for each in subscriptions}
    cut = [span for each in known.values() for span in _spans(each)]
    cut.sort(key=lambda span: (span.start, span.feature_key, span.item_id))
    found: list[EntitledSpan] = []
    last: dict[str, int] = {}
    metered: dict[str, EntitledSpan] = {}
    for whole in cut:
        position = last.get(whole.feature_key)
        before = None if position is None else found[position]
        span = whole if before is None else _after(before, whole)
        if span is None:
            continue
        if position is not None and before is not None and _is_the_same(before, span):
            found[position] = replace(before, end=span.end)
            continue
        last[span.feature_key] = len(found)
        found.append(_placed(span, before, metered.get(span.feature_key), known))
        if span.metered is not None:
            metered[span.feature_key] = found[-1]
    return sorted(found, key=lambda span: span.start)


def _after(before: EntitledSpan, span: EntitledSpan) -> EntitledSpan | None:
    """What of `span` the one `before` leaves: of two at once, which plans and edits refuse, the one that began first
    counts."""
    if before.end is None:
        return None
    if span.start >= before.end:
        return span
    return replace(span, start=before.end) if _before(before.end, span.end) else None


def _spans(subscription: EntitlingSubscription) -> Iterable[EntitledSpan]:
    active = _active(subscription)
    for revision in subscription.revisions:
        for part in active:
            for piece in _cut(revision, subscription, part):
                span = _span(revision, subscription, piece)
                if span is not None:
                    yield span


def _active(subscription: EntitlingSubscription) -> list[Span]:
    """Its time without its pauses."""
    parts, start = [], subscription.start
    for pause in sorted(subscription.pauses):
        if _before(start, pause.start) and _before(pause.start, subscription.end):
            parts.append(Span(start, pause.start))
        if pause.end is None:
            return parts
        start = max(start, pause.end)
    return [*parts, Span(start, subscription.end)]


def _cut(revision: EntitlingRevision, subscription: EntitlingSubscription, part: Span) -> Iterable[Span]:
    """What of the revision's time lies in `part`, cut where how many there are or the anchor changes."""
    ends = [end for end in (revision.end, part.end) if end is not None]
    start, end = max(revision.start, part.start), min(ends) if ends else None
    edges = [change.at for change in revision.quantities]
    edges += [
        shift.anchor for shift in subscription.shifts if shift.cadence.text == revision.template.get("usagePeriod")
    ]
    for edge in sorted(set(edges)):
        if start < edge and _before(edge, end):
            yield Span(start, edge)
            start = edge
    if _before(start, end):
        yield Span(start, end)


def _span(revision: EntitlingRevision, subscription: EntitlingSubscription, time: Span) -> EntitledSpan | None:
    template = revision.template
    span = EntitledSpan(
        subscription_id=subscription.id,
        item_id=revision.item_id,
        item_key=revision.item_key,
        plan_key=subscription.plan_key,
        zone=subscription.zone,
        feature_id=revision.feature_id,
        feature_key=revision.feature_key,
        start=time.start,
        end=time.end,
        type=template["type"],
        config=template.get("config") if template["type"] == "static" else None,
    )
    quantity = Decimal(1)
    for change in revision.quantities:
        if change.at <= time.start:
            quantity = change.quantity
    if not quantity:
        return None
    if span.type != "metered":
        return span
    issue = template.get("issueAfterReset")
    usage_period = template["usagePeriod"]
    anchor = subscription.anchor
    for shift in subscription.shifts:
        if shift.cadence.text == usage_period and shift.anchor <= time.start:
            anchor = shift.anchor
    return replace(
        span,
        metered=MeteredTerms(
            amount=None if issue is None else Decimal(str(issue)) * quantity,
            priority=template.get("issueAfterResetPriority", 1),
            soft_limit=template.get("isSoftLimit", False),
            preserve_overage=template.get("preserveOverageAtReset", False),
            usage_period=usage_period,
            anchor=anchor,
        ),
    )


def _is_the_same(before: EntitledSpan, span: EntitledSpan) -> bool:
    """Whether `span` only goes on with what there is: the same item and terms, without a gap."""
    return before.end == span.start and replace(
        before, start=span.start, end=span.end, follows=False, resets_usage=False, measured_from=None
    ) == replace(span, follows=False, resets_usage=False, measured_from=None)


def _placed(
    span: EntitledSpan,
    before: EntitledSpan | None,
    metered: EntitledSpan | None,
    known: Mapping[uuid.UUID, EntitlingSubscription],
) -> EntitledSpan:
    """`span` behind the one `before`, and behind the last `metered` one, whose usage period goes on also where terms
    without a limit lie in between."""
    follows, resets_usage = (False, False) if before is None else _goes_on(before, span, known)
    if span.metered is None:
        return replace(span, follows=follows)
    measured, goes_on = span.start, False
    if follows and metered is not None:
        goes_on, resets_usage = _goes_on(metered, span, known)
    if goes_on and not resets_usage and metered is not None and metered.measured_from is not None:
        running = max(metered.measured_from, _period_start(metered, span.start - _TICK))
        # Where both terms have their boundaries alike, this is the start of the period that goes on.
        measured = min(span.start, max(running, _period_start(span, span.start)))
    return replace(span, follows=follows, resets_usage=resets_usage, measured_from=measured)


def _goes_on(
    before: EntitledSpan, span: EntitledSpan, known: Mapping[uuid.UUID, EntitlingSubscription]
) -> tuple[bool, bool]:
    """Whether `span` takes the place of `before`, and whether a change of plan reset usage on the way."""
    subscription, resets_usage = known[span.subscription_id], False
    while subscription.id != before.subscription_id:
        if subscription.previous_id is None:
            return False, False
        resets_usage = resets_usage or not subscription.keeps_usage
        # It may lead through one that had no time, because its plan was changed again at that moment.
        subscription = known[subscription.previous_id]
    return True, resets_usage


def _period_start(span: EntitledSpan, moment: datetime) -> datetime:
    assert span.metered is not None
    cadence = CADENCES[span.metered.usage_period]
    return period_at(span.metered.anchor, span.zone, cadence, moment).start


def _before(moment: datetime, end: datetime | None) -> bool:
    return end is None or moment < end
