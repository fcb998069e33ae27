"""What holds for every burn-down: parts add up to the whole, nothing is lost, and the order of grants is kept."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from core.money import EXACT
from core.periods import CADENCES
from entitlements.access.burndown import GrantFacts, ResetFacts, Rhythm, Timeline, begin, run, segments, standing
from tests.support.clock import at
from tests.support.strategies import decimals

START = at("2028-01-15T10:30")
AMOUNTS = decimals(1000, 3)
# Hours after the start; whole days often, so that changes fall on one moment.
HOURS = st.integers(-40, 100).map(lambda days: 24 * days) | st.integers(-900, 2400)
LATER = st.integers(0, 100).map(lambda days: 24 * days) | st.integers(0, 2400)
CADENCE = st.sampled_from([CADENCES[text] for text in ("P1W", "P1M", "P1D", "P3M")])
ZONE = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])


def after(hours):
    return START + timedelta(hours=hours)


def grant(priority, hours, length, left, created, amount, limits, rhythm):
    effective = after(hours)
    return GrantFacts(
        id=UUID(int=0),
        amount=amount + 1,
        effective_at=effective,
        priority=priority,
        created=after(created),
        expires_at=effective + timedelta(hours=length) if length is not None else None,
        voided_at=effective + timedelta(hours=left) if left is not None else None,
        max_rollover=limits[0],
        min_rollover=limits[1],
        recurrence=rhythm,
    )


def timeline(rhythm, grants, resets, preserve):
    return Timeline(
        start=START,
        usage_period=rhythm,
        grants=tuple(replace(grant, id=UUID(int=number)) for number, grant in enumerate(grants)),
        resets=tuple(
            ResetFacts(after(hours), after(hours) if moved else None, kept)
            for hours, moved, kept in sorted(resets, key=lambda reset: reset[0])
        ),
        preserve_overage=preserve,
    )


RHYTHMS = st.builds(Rhythm, HOURS.map(after), CADENCE, ZONE)
ENDS = st.none() | LATER
GRANTS = st.builds(
    grant, st.integers(1, 3), HOURS, ENDS, ENDS, HOURS, AMOUNTS, st.tuples(AMOUNTS, AMOUNTS), st.none() | RHYTHMS
)
RESETS = st.tuples(LATER.map(lambda hours: hours + 1), st.booleans(), st.sampled_from([None, True, False]))
TIMELINES = st.builds(
    timeline,
    RHYTHMS,
    st.lists(GRANTS, max_size=4),
    st.lists(RESETS, max_size=3, unique_by=lambda reset: reset[0]),
    st.booleans(),
)
USES = st.lists(st.tuples(LATER.map(after), AMOUNTS), max_size=10)
SIGNED_USES = st.lists(st.tuples(LATER.map(after), AMOUNTS | AMOUNTS.map(lambda amount: -amount)), max_size=10)
# Each example is a life of months; building it is what takes the time.
FEWER = settings(max_examples=100)


def burned(line, uses, state, until):
    parts = segments(line, state.at, until)
    usages = [sum((amount for moment, amount in uses if p.start <= moment < p.end), Decimal(0)) for p in parts]
    return parts, usages, run(line, state, parts, usages)


@FEWER
@given(TIMELINES, SIGNED_USES, st.lists(LATER, max_size=4), LATER)
def test_a_run_in_parts_is_the_whole_run(line, uses, stops, hours):
    """What a snapshot holds and how often is asked change nothing, whatever the usage."""
    until = after(hours)
    whole = burned(line, uses, begin(line), until)[2][-1]
    state = begin(line)
    for stop in sorted({*(after(stop) for stop in stops if stop < hours), until}):
        state = burned(line, uses, state, stop)[2][-1]
    assert state == whole
    assert standing(line, state) == standing(line, whole)


@FEWER
@given(TIMELINES, USES, LATER)
def test_no_usage_is_lost_and_no_balance_is_negative(line, uses, hours):
    parts, usages, states = burned(line, uses, begin(line), after(hours))
    edges = [START, *(part.end for part in parts)]
    assert edges == [START, *(part.start for part in parts[1:]), after(hours)] or not parts
    by_id = {grant.id: grant for grant in line.grants}
    with localcontext(EXACT):
        for part, usage, state in zip(parts, usages, states, strict=False):
            assert part.counted_from <= part.start < part.end
            before, then = standing(line, state), standing(line, state.used(usage, part.end))
            assert before.grants.keys() == {g.id for g in line.grants if g.effective_at <= part.start < g.end}
            assert sum(then.grants.values()) == sum(before.grants.values()) - (then.consumed - before.consumed)
            assert usage == (then.consumed - before.consumed) + (then.overage - before.overage)
            assert then.usage == before.usage + usage
            assert not then.overage or not any(then.grants.values())
            assert all(amount >= 0 for amount in then.grants.values())
            assert then.total == before.total
            # Whoever comes later in order burns only once those before have nothing left.
            for key in then.grants:
                if then.grants[key] != before.grants[key]:
                    earlier = [other for other in then.grants if by_id[other].order < by_id[key].order]
                    assert not any(then.grants[other] for other in earlier)
