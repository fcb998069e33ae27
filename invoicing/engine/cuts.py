"""Owns the way back: windows billed in advance that ended early, and what of them was not used. Pure.

A fee that was billed for time in which its item is no longer active comes back: the net amount billed, with the
discounts that it had, for the part of its time that was not used (billing rules 10).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from core.money import round_share
from core.periods import Period, fraction
from invoicing.engine.state import Billed, BilledLine
from subscriptions.schedule import Component, ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.facts import Span
from subscriptions.schedule.obligations import active_spans


@dataclass(frozen=True, slots=True)
class UnusedPart:
    """What comes back of one billed line: `amount` (positive, net) for `[start, end)`; `share` of what it charged."""

    subscription: SubscriptionFacts
    item: ItemFacts
    revision: RevisionFacts
    line: BilledLine
    start: datetime
    end: datetime
    share: tuple[int, int]
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Cut:
    """A settled window that ends at `at`, before it was to; at its start: it is not there at all.

    What was not used comes back at `due_at`: `at`, or before that for a window that lies ahead and will not come.
    """

    subscription: SubscriptionFacts
    billed: Billed
    at: datetime
    due_at: datetime
    unused: tuple[UnusedPart, ...] = ()

    @property
    def vanishes(self) -> bool:
        return self.at <= self.billed.start


def cuts_of(sub: SubscriptionFacts, billed: Mapping[tuple[UUID, datetime], Billed]) -> list[Cut]:
    """The windows of this subscription's flat, recurring items that reach beyond the time in which they are active.

    Without proration nothing comes back, and a window stays as it was billed.
    """
    if not sub.prorate:
        return []
    found = []
    for item in sub.items:
        revisions = [revision for revision in item.revisions if revision.price is not None]
        if not revisions or (sub.end is None and not sub.pauses and revisions[-1].end is None and len(revisions) == 1):
            continue
        spans = active_spans(sub, item)
        for (item_id, _), window in billed.items():
            if item_id != item.id or window.end is None or not window.is_charge or not window.components:
                continue
            at = _active_until(window, spans)
            if at < window.end:
                due_at = at if at > window.start else _inactive_from(window, spans)
                found.append(_cut(sub, item, revisions, window, at, due_at))
    return found


def _active_until(window: Billed, spans: Sequence[tuple[RevisionFacts, Span]]) -> datetime:
    """Until when the item is active from the window's start on, by the terms that the window was billed by.

    Its start itself where it is not active then, or by other terms.
    """
    start = window.start
    for revision, span in spans:
        if span.start <= start and (span.end is None or start < span.end):
            if window.revision_id not in (None, revision.id):
                return start
            return span.end or datetime.max.replace(tzinfo=start.tzinfo)
    return start


def _inactive_from(window: Billed, spans: Sequence[tuple[RevisionFacts, Span]]) -> datetime:
    """Since when it is known that a window which will not come is not to come: the end of the time before it, by the
    terms that it was billed by. The rest of a period that was moved out is such a window (billing rules 4)."""
    ends = [
        span.end
        for revision, span in spans
        if span.end is not None and span.end <= window.start and window.revision_id in (None, revision.id)
    ]
    return max(ends, default=window.start)


def _cut(
    sub: SubscriptionFacts,
    item: ItemFacts,
    revisions: Sequence[RevisionFacts],
    window: Billed,
    at: datetime,
    due_at: datetime,
) -> Cut:
    assert window.end is not None
    if window.on_draft:
        return Cut(sub, window, at, due_at)
    billed_by = (known for known in revisions if known.id == window.revision_id)
    revision = next(billed_by, revisions[0])
    unused = []
    for line in window.lines:
        share = unused_share(line.components, at, window.end)
        amount = round_share(line.net_left, share.numerator, share.denominator, sub.currency)
        if amount > 0:
            start = max(at, min(part.start for part in line.components))
            parts = (share.numerator, share.denominator)
            unused.append(UnusedPart(sub, item, revision, line, start, window.end, parts, amount))
    return Cut(sub, window, at, due_at, tuple(unused))


def unused_share(components: Sequence[Component], at: datetime, end: datetime) -> Fraction:
    """How much of what these components charged up to `end` falls behind `at`: nothing to everything."""
    whole = unused = Fraction(0)
    for part in components:
        until = min(part.end, end)
        if part.start >= until:
            continue
        quantity = Fraction(part.quantity)
        worth = quantity * Fraction(part.numerator, part.denominator)
        if until < part.end:
            # An earlier cut has taken the rest: its net has gone with it.
            worth *= Fraction(*fraction(Period(part.start, until), Period(part.start, part.end)))
        whole += worth
        behind = max(part.start, at)
        if behind < until:
            unused += worth * Fraction(*fraction(Period(behind, until), Period(part.start, until)))
    return unused / whole if whole else Fraction(0)
