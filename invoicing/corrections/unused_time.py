"""Owns unused time: windows billed in advance that ended early, and what of their amounts comes back. Pure.

A fee that was billed for time in which its item is no longer active comes back: the net amount billed, with the
discounts that it had, for the part of its time that was not used (billing rules 10). It is rounded as a new charge for
that time would be, so that a change there and back costs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from core.money import ZERO, allocate, round_share
from core.periods import Period, fraction
from invoicing.rating import RatedLine
from invoicing.rating.coupon_on_part import coupon_on, fixed_part, left_of
from invoicing.rating.prorated_fee import rate_fee
from invoicing.windows.billed_and_waiting import Billed, BilledLine
from subscriptions.schedule import Component, ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.facts import Span
from subscriptions.schedule.obligations import active_spans, coupon_at


@dataclass(frozen=True, slots=True)
class UnusedPart:
    """What comes back of one billed line: `amount` (positive, net) for `[start, end)`; `share` of what it charged.

    `same_time` is the charge for the same time that the amount comes from, of all lines of the window; None where it
    comes from the share.
    """

    subscription: SubscriptionFacts
    item: ItemFacts
    revision: RevisionFacts
    line: BilledLine
    start: datetime
    end: datetime
    share: tuple[int, int]
    amount: Decimal
    same_time: RatedLine | None = None

    @property
    def name(self) -> str:
        """As documents name it."""
        return f"Unused part: {self.revision.name}"[:256]


@dataclass(frozen=True, slots=True)
class UnusedTime:
    """A settled window that ends at `at`, before it was to; at its start: it is not there at all.

    What was not used comes back at `due_at`: `at`, or before that for a window that lies ahead and will not come. Where
    the customer is collected on a rhythm, it comes back at `collect_at`, with the charges of that time.
    """

    subscription: SubscriptionFacts
    billed: Billed
    at: datetime
    due_at: datetime
    unused: tuple[UnusedPart, ...] = ()
    collect_at: datetime | None = None

    def is_collected(self, as_of: datetime) -> bool:
        """Whether it comes back by `as_of`."""
        return (self.collect_at or self.due_at) <= as_of

    @property
    def vanishes(self) -> bool:
        return self.at <= self.billed.start


def find_unused_times(sub: SubscriptionFacts, billed: Mapping[tuple[UUID, datetime], Billed]) -> list[UnusedTime]:
    """The windows of this subscription's flat items that reach beyond the time in which they are active.

    So are waived ones, though nothing of them comes back: their time may be charged by other terms.
    Without proration no part of a window comes back: only one of which nothing was used goes, whole. So it is with a
    one-time fee, which is owed once it is reached; its window is shortened for what comes after it.
    """
    found = []
    for item in sub.items:
        revisions = [revision for revision in item.revisions if revision.price is not None]
        if not revisions or (sub.end is None and not sub.pauses and revisions[-1].end is None and len(revisions) == 1):
            continue
        spans = active_spans(sub, item)
        once = {revision.id for revision in revisions if revision.cadence is None}
        for (item_id, _), window in billed.items():
            if item_id != item.id or not window.components:
                continue
            if window.revision_id in once or window.end is None:
                fee = _fee_cut(sub, item, revisions, window, spans)
                if fee is not None:
                    found.append(fee)
                continue
            at = _active_until(window, spans)
            if at < window.end and (sub.prorate or at <= window.start):
                due_at = at if at > window.start else _inactive_from(window, spans)
                found.append(_unused_time(sub, item, revisions, window, at, due_at))
    return found


def _fee_cut(
    sub: SubscriptionFacts,
    item: ItemFacts,
    revisions: Sequence[RevisionFacts],
    window: Billed,
    spans: Sequence[tuple[RevisionFacts, Span]],
) -> UnusedTime | None:
    """The end of a one-time fee's window: nothing comes back, unless the fee was never reached.

    A window without end stays so, unless the item goes on by terms that have windows of their own.
    """
    for revision, span in spans:
        if revision.cadence is None and span.start <= window.start and (span.end is None or window.start < span.end):
            end = span.end
            if end is None or (window.end is not None and window.end <= end):
                return None
            needed = window.end is not None or any(
                later.cadence is not None and time.start >= end for later, time in spans
            )
            return UnusedTime(sub, window, end, end) if needed else None
    if item.continued_at is not None and item.continued_at <= window.start:
        return None
    return _unused_time(sub, item, revisions, window, window.start, window.start)


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


def _unused_time(
    sub: SubscriptionFacts,
    item: ItemFacts,
    revisions: Sequence[RevisionFacts],
    window: Billed,
    at: datetime,
    due_at: datetime,
) -> UnusedTime:
    if window.on_draft:
        return UnusedTime(sub, window, at, due_at)
    # A window for good was charged for the time that its line shows.
    window_end = window.end or max(part.end for line in window.lines for part in line.components)
    billed_by = (known for known in revisions if known.id == window.revision_id)
    revision = next(billed_by, revisions[0])
    shares = [unused_share(line.components, at, window_end) for line in window.lines]
    amounts, same_time = _amounts(sub, item, revision, window, at, shares)
    unused = []
    for line, share, amount in zip(window.lines, shares, amounts, strict=True):
        if amount > 0:
            start = max(at, min(part.start for part in line.components))
            parts = _as_time(line, start, window_end, share)
            unused.append(UnusedPart(sub, item, revision, line, start, window_end, parts, amount, same_time))
    return UnusedTime(sub, window, at, due_at, tuple(unused))


def _as_time(line: BilledLine, start: datetime, end: datetime, share: Fraction) -> tuple[int, int]:
    """The share as time of the line's own time, where it is that, so that a reader can check it against the clock."""
    charged = Period(min(part.start for part in line.components), min(max(p.end for p in line.components), end))
    if not charged.is_empty and start <= end:
        timed = fraction(Period(start, end), charged)
        if Fraction(*timed) == share:
            return timed
    return share.as_integer_ratio()


def _amounts(
    sub: SubscriptionFacts,
    item: ItemFacts,
    revision: RevisionFacts,
    window: Billed,
    at: datetime,
    shares: Sequence[Fraction],
) -> tuple[list[Decimal], RatedLine | None]:
    """What comes back of each line: together what a charge for the same time comes to, at most what is left on them;
    and that charge.

    In proportion to time, where there is no such charge: nothing was used, something has come back before, or the
    lines were billed by other terms than the item has now.
    """
    lines = window.lines
    by_time = [
        max(round_share(line.net_left, share.numerator, share.denominator, sub.currency), ZERO)
        for line, share in zip(lines, shares, strict=True)
    ]
    if at <= window.start or any(line.net != line.net_left for line in lines):
        return by_time, None
    charge = _charge_for_the_rest(sub, item, revision, window, at)
    if charge is None:
        return by_time, None
    left = min(charge.net, sum((line.net_left for line in lines), ZERO))
    wanted = allocate(left, by_time, sub.currency) if any(by_time) else [ZERO] * len(lines)
    amounts = []
    for line, amount in zip(lines, wanted, strict=True):
        amounts.append(max(min(amount, line.net_left), ZERO))
        left -= amounts[-1]
    # Rounding may have given a line more than it charged: others take that over.
    for index, line in enumerate(lines):
        more = min(left, max(line.net_left - amounts[index], ZERO))
        amounts[index] += more
        left -= more
    return amounts, charge


def _charge_for_the_rest(
    sub: SubscriptionFacts, item: ItemFacts, revision: RevisionFacts, window: Billed, at: datetime
) -> RatedLine | None:
    """What the same terms charge for the quantities from `at` to the window's end, where these are the terms that
    its lines were billed by: they come to the same net once more. None otherwise."""
    parts = [part for line in window.lines for part in line.components]
    timed = next((part for part in parts if part.numerator), None)
    if timed is None or window.end is None or revision.price is None or not revision.price.is_flat:
        return None
    per_microsecond = Fraction(timed.numerator, timed.denominator) / Period(timed.start, timed.end).microseconds

    def share(start: datetime, end: datetime) -> tuple[int, int]:
        length = Period(start, end).microseconds
        exact = per_microsecond * length
        # Of the whole that the lines were a share of, in seconds or in microseconds: a reader checks it by the clock.
        whole = timed.denominator
        pairs = ((length // 1_000_000, whole), (length, whole), (length, whole * 1_000_000))
        return next((pair for pair in pairs if Fraction(*pair) == exact), exact.as_integer_ratio())

    # The coupon as on a window that goes on: where the subscription ends does not change what of it was unused.
    endless = replace(sub, end=None)
    coupon = coupon_on(endless, item, revision, window.start, max(part.end for part in parts))
    before: list[Component] = []
    for line in window.lines:
        if rate_fee(sub, revision, line.components, left_of(coupon, sub, revision, before)).net != line.net:
            return None
        before += line.components
    quantities: dict[datetime, Decimal] = {at: ZERO}
    for part in parts:
        if part.start < window.end:
            start = max(part.start, at)
            quantities[start] = quantities.get(start, ZERO) + part.quantity
    rest = [
        Component(quantity, *share(start, window.end), start, window.end)
        for start, quantity in sorted(quantities.items())
    ]
    facts = coupon_at(item, window.start)
    if coupon is not None and facts is not None and facts.amount is not None:
        coupon = coupon._replace(remaining=fixed_part(facts, facts.amount, endless, revision, at, window.end))
    return rate_fee(sub, revision, rest, coupon)


def unused_share(components: Sequence[Component], at: datetime, end: datetime) -> Fraction:
    """How much of what these components charged up to `end` falls behind `at` (all UTC): from 0 to 1 (billing
    rules 10)."""
    whole = unused = Fraction(0)
    for part in components:
        until = min(part.end, end)
        if part.start >= until:
            continue
        quantity = Fraction(part.quantity)
        worth = quantity * Fraction(part.numerator, part.denominator)
        if until < part.end:
            # The window has ended early before: the net of the rest has come back then.
            worth *= Fraction(*fraction(Period(part.start, until), Period(part.start, part.end)))
        whole += worth
        behind = max(part.start, at)
        if behind < until:
            unused += worth * Fraction(*fraction(Period(behind, until), Period(part.start, until)))
    return unused / whole if whole else Fraction(0)
