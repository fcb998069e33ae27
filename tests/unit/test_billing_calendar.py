import pytest

from core.periods import CADENCES, Period
from subscriptions.billing_calendar import AnchorShift, BillingCalendar, normalized_anchor, read_shifts
from subscriptions.plan_terms import PhaseTerms, place_phases
from tests.make import at

MONTH, YEAR = CADENCES["P1M"], CADENCES["P1Y"]


def test_a_period_is_found_from_the_anchor():
    calendar = BillingCalendar(at("2026-03-17"), "UTC")
    assert calendar.period_at(MONTH, at("2026-04-16T23:59")) == Period(at("2026-03-17"), at("2026-04-17"))
    assert calendar.period_at(MONTH, at("2026-04-17")) == Period(at("2026-04-17"), at("2026-05-17"))


def test_an_extended_period_lasts_a_full_cadence_from_the_change_and_later_boundaries_count_from_its_end():
    calendar = BillingCalendar(at("2026-04-01"), "UTC").extended(MONTH, at("2026-04-16"))
    assert calendar.shifts == (AnchorShift("P1M", at("2026-05-01"), at("2026-05-16"), at("2026-04-16")),)
    assert calendar.period_at(MONTH, at("2026-03-31")) == Period(at("2026-03-01"), at("2026-04-01"))
    assert calendar.period_at(MONTH, at("2026-04-01")) == Period(at("2026-04-01"), at("2026-05-16"))
    assert calendar.period_at(MONTH, at("2026-05-15")) == Period(at("2026-04-01"), at("2026-05-16"))
    assert calendar.period_at(MONTH, at("2026-05-16")) == Period(at("2026-05-16"), at("2026-06-16"))


def test_an_extension_leaves_items_of_other_cadences_alone():
    calendar = BillingCalendar(at("2026-01-01"), "UTC").extended(MONTH, at("2026-04-16"))
    assert calendar.period_at(YEAR, at("2026-04-20")) == Period(at("2026-01-01"), at("2027-01-01"))


def test_a_later_period_can_be_extended_too():
    calendar = (
        BillingCalendar(at("2026-04-01"), "UTC").extended(MONTH, at("2026-04-16")).extended(MONTH, at("2026-05-20"))
    )
    assert calendar.period_at(MONTH, at("2026-05-15")) == Period(at("2026-04-01"), at("2026-05-16"))
    assert calendar.period_at(MONTH, at("2026-06-18")) == Period(at("2026-05-16"), at("2026-06-20"))
    assert calendar.period_at(MONTH, at("2026-06-20")) == Period(at("2026-06-20"), at("2026-07-20"))


def test_a_period_is_extended_once():
    calendar = BillingCalendar(at("2026-04-01"), "UTC").extended(MONTH, at("2026-04-16"))
    with pytest.raises(ValueError, match="moved out already"):
        calendar.extended(MONTH, at("2026-05-10"))


def test_an_extension_at_the_period_start_moves_nothing():
    calendar = BillingCalendar(at("2026-04-01"), "UTC")
    assert calendar.extended(MONTH, at("2026-04-01")) is calendar


def test_shifts_survive_their_storage():
    shift = AnchorShift("P1M", at("2026-05-01"), at("2026-05-16"), at("2026-04-16"))
    assert read_shifts([shift.to_json()]) == (shift,)


@pytest.mark.parametrize(
    ("anchor", "start", "expected"),
    [
        ("2026-03-01", "2026-03-17", "2026-03-01"),
        ("2026-03-17", "2026-03-17", "2026-03-17"),
        ("2027-01-05T08:30", "2026-03-17", "2026-03-05T08:30"),
        ("2020-01-31", "2026-03-10", "2026-01-31"),  # not 28 February: later boundaries would fall on the 28th
        ("2020-01-31", "2026-03-31", "2026-03-31"),
    ],
)
def test_an_anchor_is_moved_to_its_last_unshortened_recurrence_before_the_start(anchor, start, expected):
    assert normalized_anchor(at(anchor), "UTC", MONTH, at(start)) == at(expected)


def test_a_moved_anchor_keeps_its_wall_time_across_a_clock_change():
    # Midnight in Berlin is 23:00 UTC in winter, 22:00 UTC in summer.
    assert normalized_anchor(at("2026-01-31T23:00"), "Europe/Berlin", MONTH, at("2026-06-17")) == at("2026-05-31T22:00")


def test_phases_are_placed_by_the_sum_of_durations_from_the_start():
    phases = [PhaseTerms(key="a", name="A", duration="P1M"), PhaseTerms(key="b", name="B", duration="P1M")]
    phases.append(PhaseTerms(key="c", name="C"))
    placed = place_phases(phases, start=at("2026-01-31"), zone="UTC")
    assert [(phase.terms.key, phase.active_from, phase.active_to) for phase in placed] == [
        ("a", at("2026-01-31"), at("2026-02-28")),
        ("b", at("2026-02-28"), at("2026-03-31")),
        ("c", at("2026-03-31"), None),
    ]


def test_phases_are_placed_by_the_wall_time_of_the_zone():
    phases = [PhaseTerms(key="trial", name="Trial", duration="P14D"), PhaseTerms(key="paid", name="Paid")]
    placed = place_phases(phases, start=at("2026-03-20T23:00"), zone="Europe/Berlin")
    assert placed[1].active_from == at("2026-04-03T22:00")
