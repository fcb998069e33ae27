"""What holds for the windows of any subscription: they tile the time it is active, and share out each period."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.ids import new_id
from core.periods import CADENCES, Period
from subscriptions.pricing import NO_DISCOUNTS, parse_price
from subscriptions.schedule import ItemFacts, RevisionFacts, SubscriptionFacts, obligations
from subscriptions.schedule.billing_calendar import extension
from subscriptions.schedule.facts import EarlierUse, Span
from tests.support.strategies import CADENCE, MOMENTS, ZONES

ADVANCE, ARREARS = (
    parse_price({"type": "flat", "amount": "10.00", "paymentTerm": term}) for term in ("in_advance", "in_arrears")
)
UNIT = parse_price({"type": "unit", "amount": "1.00"})
# Whole days and whole hours often, so that boundaries are met to the second.
GAPS = st.one_of(
    st.integers(1, 40).map(lambda days: timedelta(days=days)),
    st.integers(1, 2000).map(lambda hours: timedelta(hours=hours)),
    st.integers(1, 10**7).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(1, 10**12).map(lambda micro: timedelta(microseconds=micro)),
)


@st.composite
def subscriptions(draw, prices):
    """One item: up to three revisions, some free, up to two pauses, maybe an end; and until when to look."""
    start, cadence = draw(MOMENTS), draw(CADENCE)
    moments = [start]
    for gap in draw(st.lists(GAPS, min_size=1, max_size=3)):
        moments.append(moments[-1] + gap)
    revisions = tuple(
        RevisionFacts(new_id(), since, until, cadence, draw(prices), NO_DISCOUNTS, "Item")
        for since, until in pairwise([*moments[:-1], None])
    )
    cuts = [start]
    for gap in draw(st.lists(GAPS, max_size=5)):
        cuts.append(cuts[-1] + gap)
    pauses = tuple(Span(since, until) for since, until in zip(cuts[1::2], cuts[2::2], strict=False))
    if draw(st.booleans()) and len(cuts) % 2 == 0:
        pauses = (*pauses, Span(cuts[-1], None))
    sub = SubscriptionFacts(
        id=new_id(),
        customer_id=new_id(),
        currency="EUR",
        zone=draw(ZONES),
        anchor=draw(st.just(start) | MOMENTS | st.just(start - timedelta(days=17))),
        cadence=CADENCES["P1M"],
        start=start,
        end=start + draw(GAPS) if draw(st.booleans()) else None,
        items=(ItemFacts(new_id(), "item", 1, revisions),),
        pauses=pauses,
    )
    return sub, max(moments[-1], cuts[-1]) + draw(GAPS)


def is_active(sub, revision, moment):
    """Whether the item is charged at `moment` by that revision: read off the facts, not off the schedule."""
    if sub.end is not None and moment >= sub.end:
        return False
    if any(pause.start <= moment and (pause.end is None or moment < pause.end) for pause in sub.pauses):
        return False
    return revision.start <= moment and (revision.end is None or moment < revision.end)


def points(sub, windows, until):
    (item,) = sub.items
    found = {sub.start, until}
    for revision in item.revisions:
        found |= {revision.start, revision.end}
    for span in (*sub.pauses, *windows):
        found |= {span.start, span.end}
    found.add(sub.end)
    return sorted(point for point in found if point is not None and sub.start <= point <= until)


def assert_tiled(sub, until):
    """Every moment up to `until` lies in one window where the item is active, in none where it is not."""
    windows = list(obligations(sub, since=sub.start, as_of=until))
    (item,) = sub.items
    for here, there in pairwise(points(sub, windows, until)):
        inside = [window for window in windows if window.start <= here and there <= window.end]
        priced = [revision for revision in item.revisions if revision.price is not None]
        assert [window.revision for window in inside] == [r for r in priced if is_active(sub, r, here)]
        assert not [window for window in windows if window.start < there and here < window.end and window not in inside]
    return windows


@given(subscriptions(st.sampled_from([ADVANCE, ARREARS, UNIT, None])))
def test_windows_tile_the_active_time_without_gap_or_overlap(drawn):
    for window in assert_tiled(*drawn):
        assert window.period.start <= window.start < window.end <= window.period.end
        in_advance = window.revision.price is ADVANCE
        assert window.invoice_at == (window.start if in_advance else window.end)


@given(subscriptions(st.sampled_from([ADVANCE, ARREARS, UNIT])), st.data())
def test_windows_tile_the_active_time_also_where_a_period_was_moved_out(drawn, data):
    sub, until = drawn
    cadence = sub.items[0].revisions[0].cadence
    moment = data.draw(st.datetimes(sub.start.replace(tzinfo=None), until.replace(tzinfo=None)))
    shift = extension(sub, cadence, moment.replace(tzinfo=sub.start.tzinfo))
    if shift is not None:
        assert_tiled(replace(sub, shifts=(shift,)), until)


@given(subscriptions(st.sampled_from([ADVANCE, ARREARS])))
def test_a_fee_is_shared_out_by_time_to_the_microsecond(drawn):
    """A whole period costs one, whatever divides it; less what of it was not active."""
    sub, until = drawn
    for window in obligations(sub, since=sub.start, as_of=until):
        (part,) = window.components
        length = Period(window.start, window.end).microseconds
        assert Fraction(part.numerator, part.denominator) == Fraction(length, window.period.microseconds)


@given(subscriptions(st.just(UNIT)))
def test_usage_counts_on_within_its_period_and_the_last_window_closes_it(drawn):
    sub, until = drawn
    windows = list(obligations(sub, since=sub.start, as_of=until))
    for period, together in groupby(windows, key=lambda window: window.period):
        parts = list(together)
        for number, window in enumerate(parts):
            before = tuple(EarlierUse(sub.items[0].id, part.start, part.end) for part in parts[:number])
            assert window.earlier == before
            active = sum(Period(part.start, part.end).microseconds for part in parts[: number + 1])
            assert Fraction(*window.share) == Fraction(active, period.microseconds)
            assert not (window.closes and number < len(parts) - 1)
        if period.end <= until:
            assert parts[-1].closes
