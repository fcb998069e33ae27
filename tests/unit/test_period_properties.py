"""What holds for boundaries of any anchor, zone and cadence, shown on examples that Hypothesis makes up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import available_timezones

from hypothesis import given, settings
from hypothesis import strategies as st

from core.periods import CADENCES, boundary, fraction, period_at, periods

# Zones with half hours, with skipped days and with midnight changes first, then all others.
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo"]
) | st.sampled_from(sorted(available_timezones()))
CADENCE = st.sampled_from(list(CADENCES.values()))
MOMENTS = st.builds(
    lambda seconds, micro: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micro),
    st.integers(0, 40 * 365 * 86400),
    st.sampled_from([0, 0, 0, 1, 999_999]),
)
TEN_YEARS = timedelta(days=3653)


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
