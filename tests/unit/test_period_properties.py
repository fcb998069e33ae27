"""What holds for boundaries of any anchor, zone and cadence, shown on examples that Hypothesis makes up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from core.periods import boundary, fraction, period_at, periods
from tests.support.strategies import CADENCE, MOMENTS, ZONES

TEN_YEARS = timedelta(days=3653)
# Clock changes by an hour and by half of one, at night and at midnight, and one that left a day out.
CHANGES = st.sampled_from(
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ]
)
QUARTERS = st.integers(-14, 14).map(lambda quarters: timedelta(minutes=15 * quarters))


@given(MOMENTS, ZONES, CADENCE)
@settings(max_examples=60)
def test_periods_tile_ten_years_without_gap_or_overlap(anchor, zone, cadence):
    tiles = list(periods(anchor, zone, cadence, anchor, anchor + TEN_YEARS))
    assert tiles[0].start == anchor
    assert tiles[-1].end >= anchor + TEN_YEARS
    assert all(not tile.is_empty for tile in tiles)
    assert all(here.end == there.start for here, there in pairwise(tiles))


@given(MOMENTS, ZONES, CADENCE, st.integers(-400, 400))
def test_a_boundary_starts_its_own_period_and_the_moment_before_lies_in_the_one_before(anchor, zone, cadence, n):
    start = boundary(anchor, zone, cadence, n)
    period = period_at(anchor, zone, cadence, start)
    assert period.start == start
    assert period_at(anchor, zone, cadence, start - timedelta(microseconds=1)).end == start


@given(MOMENTS, ZONES, CADENCE, MOMENTS)
def test_every_moment_lies_in_exactly_one_period(anchor, zone, cadence, moment):
    period = period_at(anchor, zone, cadence, moment)
    assert moment in period
    assert list(periods(anchor, zone, cadence, moment, moment + timedelta(microseconds=1))) == [period]


@given(MOMENTS, ZONES, CADENCE, st.integers(-400, 400))
def test_boundaries_never_go_back(anchor, zone, cadence, n):
    assert boundary(anchor, zone, cadence, n) <= boundary(anchor, zone, cadence, n + 1)


@given(MOMENTS, ZONES, CADENCE, MOMENTS, st.integers(0, 10**9))
def test_the_parts_of_a_period_are_fractions_that_add_up_to_the_whole(anchor, zone, cadence, moment, at):
    whole = period_at(anchor, zone, cadence, moment)
    cut = whole.start + (whole.end - whole.start) * (at / 10**9)
    first, second = type(whole)(whole.start, cut), type(whole)(cut, whole.end)
    (top, bottom), (other_top, other_bottom) = fraction(first, whole), fraction(second, whole)
    assert top * other_bottom + other_top * bottom == bottom * other_bottom


@given(CHANGES, CADENCE, st.integers(-2, 2), QUARTERS, QUARTERS)
def test_every_moment_around_a_clock_change_lies_in_the_period_between_two_boundaries(change, cadence, n, off, ago):
    """Also where anchor and moment both lie in an hour that comes twice, or in one that is left out."""
    zone, clock_change = change
    anchor = boundary(clock_change, zone, cadence, n) + off
    moment = clock_change + ago
    period = period_at(anchor, zone, cadence, moment)
    assert moment in period
    starts = {boundary(anchor, zone, cadence, number) for number in range(-4, 5)}
    assert {period.start, period.end} <= starts
    assert not any(period.start < start < period.end for start in starts)
