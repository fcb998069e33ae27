"""Owns what ought to be billed: the windows of each item, when each falls due, and what a flat fee charges in it."""

import uuid
from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from core.periods import Cadence, Period, fraction, in_seconds
from subscriptions.pricing import FlatPrice
from subscriptions.schedule.facts import CouponFacts, EarlierUse, ItemFacts, RevisionFacts, Span, SubscriptionFacts
from subscriptions.schedule.grid import ServicePeriod, service_period_at, service_periods

ONE = Decimal(1)
WHOLE = (1, 1)


class Component(NamedTuple):
    """A quantity of a flat fee charged for `numerator / denominator` of a full period, over `[start, end)`.

    The first one of a window is the quantity at its start; each further one is a change of quantity inside it.
    """

    quantity: Decimal
    numerator: int
    denominator: int
    start: datetime
    end: datetime


class Group(NamedTuple):
    """A window of usage `[start, end)` that is billed in parts (billing rules 7): up to each of `ends`, in order, and
    from the last of them on."""

    start: datetime
    end: datetime
    ends: tuple[datetime, ...]

    @property
    def parts(self) -> tuple[Span, ...]:
        bounds = (self.start, *self.ends, self.end)
        return tuple(Span(*pair) for pair in pairwise(bounds))


class Obligation(NamedTuple):
    """One window of one item that ought to be billed at `invoice_at`.

    `[start, end)` is the service period that the invoice shows; the window of the item that it settles runs from
    `start` to `settles_until` (None: for good, a one-time fee). `components` are set for flat fees, empty for usage.

    `period` is the full period, from boundary to boundary, that `share` is a share of; None where there is none.

    A usage window that is not the whole of its period knows what of the period came before it (`earlier`), and
    whether it `closes` the period; `share` is how much of the period was active up to its end: it prorates a minimum.
    One that is a part knows its `group`.
    """

    subscription: SubscriptionFacts
    item: ItemFacts
    revision: RevisionFacts
    start: datetime
    end: datetime
    settles_until: datetime | None
    invoice_at: datetime
    components: tuple[Component, ...]
    share: tuple[int, int]
    period: Period | None = None
    earlier: tuple[EarlierUse, ...] = ()
    closes: bool = True
    group: Group | None = None

    @property
    def key(self) -> tuple[uuid.UUID, datetime]:
        return (self.item.id, self.start)

    @property
    def is_flat(self) -> bool:
        return bool(self.components)

    @property
    def is_recurring(self) -> bool:
        return self.revision.cadence is not None

    @property
    def is_last_part(self) -> bool:
        """Whether nothing of its group, if it has one, follows it."""
        return self.group is None or self.end == self.group.end

    @property
    def coupon(self) -> CouponFacts | None:
        """The coupon that reduces this window: the oldest redeemed one that covers its start."""
        return coupon_at(self.item, self.start)


def coupon_at(item: ItemFacts, moment: datetime) -> CouponFacts | None:
    """The coupon that reduces what the item costs at `moment` (UTC): from its start on, up to its end and not at it."""
    for coupon in coupons_over(item, moment):
        return None if is_untouched(coupon, moment) else coupon
    return None


def coupons_over(item: ItemFacts, moment: datetime) -> Iterator[CouponFacts]:
    """The coupons that last at `moment` (UTC), the oldest redeemed first: that one alone reduces what is charged.

    One for some periods lasts only while the item is billed in the rhythm in which it was redeemed: a month's coupon
    does not reduce a year, and that of a fee of once nothing else.
    """
    for coupon in item.coupons:
        if coupon.start > moment or (coupon.end is not None and moment >= coupon.end):
            continue
        held_at = coupon.rhythm_at
        if held_at is None or _cadence_at(item, moment) == _cadence_at(item, held_at):
            yield coupon


def _cadence_at(item: ItemFacts, moment: datetime) -> Cadence | None:
    """That of the terms that hold at `moment`; before the first terms of the item theirs, after its last ones those.
    What an edit took away has no time, and holds never."""
    terms = [revision for revision in item.revisions if revision.end != revision.start] or item.revisions
    begun = [revision for revision in terms if revision.start <= moment]
    return (begun or terms)[-1 if begun else 0].cadence


def is_untouched(coupon: CouponFacts, moment: datetime) -> bool:
    """Whether the time was billed without anything for the coupon to take off."""
    return any(span.start <= moment and (span.end is None or moment < span.end) for span in coupon.untouched)


def obligations(
    sub: SubscriptionFacts,
    *,
    since: datetime,
    as_of: datetime,
    settled: Container[tuple[uuid.UUID, datetime]] = (),
) -> Iterator[Obligation]:
    """Everything of `sub` that ends after `since` and is due by `as_of`, and the next window of each item after that.

    So the caller sees what to bill now, and what to hold on the gathering invoice until later. A window that is
    `settled` (by its key) is not the next one, also where it was billed later than `as_of`. Paused time is not active:
    nothing is billed for it.
    """
    for item in sub.items:
        spans = active_spans(sub, item)
        fees = _fees_owed(item, spans)
        for revision, span in spans:
            if revision.cadence is None and span.start not in fees:
                continue
            upcoming = False
            for obligation in _windows(sub, item, revision, span, spans, since):
                upcoming = obligation.invoice_at > as_of and obligation.key not in settled
                yield obligation
                if upcoming:
                    break
            if upcoming:
                break


def active_spans(sub: SubscriptionFacts, item: ItemFacts) -> list[tuple[RevisionFacts, Span]]:
    """When each priced revision of the item is in force: within the subscription, outside of its pauses; in order.

    A one-time fee that a successor relies on has been reached also where it has no time: its span is empty then.
    """
    spans: list[tuple[RevisionFacts, Span]] = []
    for revision in item.revisions:
        if revision.price is None:
            continue
        start = max(revision.start, sub.start)
        ends = [end for end in (revision.end, sub.end) if end is not None]
        end = min(ends) if ends else None
        # A one-time fee is owed once: no pause divides it.
        pauses = sub.pauses if revision.cadence is not None else ()
        for pause in pauses:
            if pause.end is not None and pause.end <= start:
                continue
            if end is not None and pause.start >= end:
                break
            if pause.start > start:
                spans.append((revision, Span(start, pause.start)))
            if pause.end is None:
                start = end = pause.start
                break
            start = pause.end
        relied_on = revision.cadence is None and start == end == item.continued_at != revision.end
        if end is None or start < end or relied_on:
            spans.append((revision, Span(start, end)))
    return spans


def _fees_owed(item: ItemFacts, spans: Sequence[tuple[RevisionFacts, Span]]) -> set[datetime]:
    """The starts of the spans that owe the item's one-time fee: it is owed once, whatever edits and phases make of its
    terms (billing rules 10). What a phase gives for nothing does not use it up.

    One in arrears falls due with the last of its terms that follow on each other, at the price of that one.
    """
    owed: set[datetime] = set()
    if item.fee_charged_before:
        return owed
    once = [(revision, span) for revision, span in spans if revision.cadence is None]
    for index, (revision, span) in enumerate(once):
        goes_over = index + 1 < len(once) and once[index + 1][1].start == span.end
        if not in_advance(revision) and (goes_over or (span.end is not None and span.end == item.continued_at)):
            continue
        costs = not is_free(revision)
        if costs or not owed:
            owed.add(span.start)
        if costs:
            break
    return owed


def is_free(revision: RevisionFacts) -> bool:
    """Whether it is a fee of nothing."""
    return isinstance(revision.price, FlatPrice) and not revision.price.amount


def _windows(
    sub: SubscriptionFacts,
    item: ItemFacts,
    revision: RevisionFacts,
    span: Span,
    spans: list[tuple[RevisionFacts, Span]],
    since: datetime,
) -> Iterator[Obligation]:
    """The windows of one span from the one that holds `since` on; endless where the span is."""
    if revision.cadence is None:
        if span.end == span.start:
            # Reached on the very second on which the successor took over: charged for good.
            yield from _one_time(sub, item, revision, span.start, None)
        elif span.end is None or span.end > since:
            yield from _one_time(sub, item, revision, span.start, span.end)
        return
    limit = span.end or datetime.max.replace(tzinfo=span.start.tzinfo)
    for period in service_periods(sub, revision.cadence, max(since, span.start), limit):
        for start, end, due_no_later_than in _cuts(item, revision, period):
            start, end = max(start, span.start), min(end, limit)
            if start < end and end > since:
                window = _window(sub, item, revision, period, start, end, due_no_later_than)
                if not window.is_flat:
                    window = _usage_window(window, period, spans)
                    if item.progressive_splits:
                        inside = Span(max(period.start, span.start), min(period.end, limit))
                        window = window._replace(group=_group_of(item, start, inside))
                yield window


def _cuts(
    item: ItemFacts, revision: RevisionFacts, period: ServicePeriod
) -> Iterator[tuple[datetime, datetime, datetime | None]]:
    """A period's windows: one, but for usage that was split, and for a fee in advance whose period was moved out after
    it had been charged."""
    if (item.splits or item.progressive_splits) and revision.price is not None and not revision.price.is_flat:
        for piece in split_at(Span(period.start, period.end), item.cuts):
            yield piece.start, piece.end or period.end, None
        return
    if period.moved_out_at is None or not in_advance(revision):
        yield period.start, period.end, None
        return
    yield period.start, period.nominal_end, None
    yield period.nominal_end, period.end, period.moved_out_at


def _window(
    sub: SubscriptionFacts,
    item: ItemFacts,
    revision: RevisionFacts,
    period: ServicePeriod,
    start: datetime,
    end: datetime,
    due_no_later_than: datetime | None,
) -> Obligation:
    invoice_at = start if in_advance(revision) else end
    if due_no_later_than is not None:
        invoice_at = min(invoice_at, due_no_later_than)
    nominal = period.nominal
    share = fraction(Period(start, end), nominal) if sub.prorate else WHOLE
    components: tuple[Component, ...] = ()
    if isinstance(revision.price, FlatPrice):
        components = _components(item, start, end, share, nominal if sub.prorate else None)
    return Obligation(
        sub, item, revision, start, end, end, invoice_at, components, share, nominal if sub.prorate else None
    )


def _group_of(item: ItemFacts, start: datetime, inside: Span) -> Group | None:
    """The group of the part from `start` on, of the time `inside` a period; None where that is no part."""
    for whole in split_at(inside, item.splits):
        assert whole.end is not None
        if whole.start <= start < whole.end:
            ends = tuple(at for at in item.progressive_splits if whole.start < at < whole.end)
            return Group(whole.start, whole.end, ends) if ends else None
    return None


def _usage_window(window: Obligation, period: ServicePeriod, spans: list[tuple[RevisionFacts, Span]]) -> Obligation:
    """The window as a part of its period: what came before it, and whether it closes the period."""
    if window.start == period.start and window.end == period.end:
        return window
    item, counted = window.item, window.revision
    earlier: list[EarlierUse] = []
    if spans and goes_on(spans[0][0], counted):
        earlier += [use for use in item.earlier if period.start <= use.start < window.start]
    closes = window.end != item.continued_at
    for use in uses_of(item, spans, counted, Span(period.start, period.end)):
        if use.end <= window.start:
            earlier.append(use)
        elif use.start >= window.end:
            closes = False
    active = sum((Period(use.start, use.end).microseconds for use in earlier), _length(window))
    share = in_seconds(active, period.nominal.microseconds) if window.subscription.prorate else WHOLE
    return window._replace(earlier=tuple(earlier), closes=closes, share=share)


def uses_of(
    item: ItemFacts, spans: Sequence[tuple[RevisionFacts, Span]], counted: RevisionFacts, period: Span
) -> Iterator[EarlierUse]:
    """The windows of the item within `period` whose usage counts for `counted`, in order of time."""
    for revision, span in spans:
        start = max(span.start, period.start)
        end = span.end if period.end is None else min(span.end or period.end, period.end)
        if end is not None and start < end and goes_on(revision, counted):
            for piece in split_at(Span(start, end), item.cuts):
                yield EarlierUse(item.id, piece.start, piece.end or end)


def split_at(span: Span, splits: Sequence[datetime]) -> Iterator[Span]:
    """`span` in the pieces that those of `splits` within it cut it into."""
    start = span.start
    for at in splits:
        if start < at and (span.end is None or at < span.end):
            yield Span(start, at)
            start = at
    yield Span(start, span.end)


def goes_on(revision: RevisionFacts, counted: RevisionFacts) -> bool:
    """Whether usage by one revision counts for the other, in the same period: of the same feature, in the same rhythm.
    What was used of another feature was never billed here, so it takes up no free units and no tiers."""
    by_usage = revision.price is not None and not revision.price.is_flat
    return by_usage and revision.feature_id == counted.feature_id and revision.cadence == counted.cadence


def _length(window: Obligation) -> int:
    return Period(window.start, window.end).microseconds


def _one_time(
    sub: SubscriptionFacts, item: ItemFacts, revision: RevisionFacts, start: datetime, end: datetime | None
) -> Iterator[Obligation]:
    """A fee without cadence: charged once, for the whole time of its revision, never prorated.

    The invoice shows the subscription's period in which it falls. In arrears it falls due when the revision ends.
    """
    shown_end = service_period_at(sub, sub.cadence, start).end
    if end is not None:
        shown_end = min(shown_end, end)
    if in_advance(revision):
        invoice_at = start
    elif end is not None:
        invoice_at = end
    else:
        return
    components: tuple[Component, ...] = ()
    if isinstance(revision.price, FlatPrice):
        components = _components(item, start, end or datetime.max.replace(tzinfo=start.tzinfo), WHOLE, None)
        components = tuple(component._replace(end=shown_end) for component in components)
    yield Obligation(sub, item, revision, start, shown_end, end, invoice_at, components, WHOLE)


def _components(
    item: ItemFacts, start: datetime, end: datetime, share: tuple[int, int], nominal: Period | None
) -> tuple[Component, ...]:
    """The quantity at the window's start, then each change inside the window for the time that is left (billing
    rules 4). Without a nominal period, changes count in full."""
    if not item.quantities:
        return (Component(ONE, share[0], share[1], start, end),)
    base = ONE
    changes: list[tuple[datetime, Decimal]] = []
    for at, quantity in item.quantities:
        if at <= start:
            base = quantity
        elif at < end:
            changes.append((at, quantity))
    components = [Component(base, share[0], share[1], start, end)]
    before = base
    for at, quantity in changes:
        if quantity != before:
            left = WHOLE if nominal is None else fraction(Period(at, end), nominal)
            components.append(Component(quantity - before, left[0], left[1], at, end))
            before = quantity
    return tuple(components)


def in_advance(revision: RevisionFacts) -> bool:
    """Whether it is a fee that is charged at the start of what it is for."""
    return revision.price is not None and revision.price.in_advance
