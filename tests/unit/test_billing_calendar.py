import pytest

from core.ids import new_id
from core.periods import CADENCES, Period
from subscriptions.catalog.plan_terms import PhaseTerms, place_phases
from subscriptions.schedule import AnchorShift, SubscriptionFacts
from subscriptions.schedule.billing_calendar import extension, normalized_anchor, period_at, shift_to_json
from tests.support.clock import at

MONTH, YEAR = CADENCES["P1M"], CADENCES["P1Y"]


def subscription(anchor, *shifts):
    return SubscriptionFacts(
        id=new_id(),
        customer_id=new_id(),
        currency="EUR",
        zone="UTC",
        anchor=at(anchor),
        cadence=MONTH,
        start=at(anchor),
        end=None,
        items=(),
        shifts=shifts,
    )


def test_a_period_is_found_from_the_anchor():
    sub = subscription("2026-03-17")
    assert period_at(sub, MONTH, at("2026-04-16T23:59")) == Period(at("2026-03-17"), at("2026-04-17"))
    assert period_at(sub, MONTH, at("2026-04-17")) == Period(at("2026-04-17"), at("2026-05-17"))


def test_an_extended_period_lasts_a_full_cadence_from_the_change_and_later_boundaries_count_from_its_end():
    shift = extension(subscription("2026-04-01"), MONTH, at("2026-04-16"))
    assert shift == AnchorShift(boundary=at("2026-05-01"), anchor=at("2026-05-16"), at=at("2026-04-16"), cadence=MONTH)
    sub = subscription("2026-04-01", shift)
    assert period_at(sub, MONTH, at("2026-05-15")) == Period(at("2026-04-01"), at("2026-05-16"))
    assert period_at(sub, MONTH, at("2026-05-16")) == Period(at("2026-05-16"), at("2026-06-16"))


def test_an_extension_leaves_items_of_other_cadences_alone():
    shift = extension(subscription("2026-01-01"), MONTH, at("2026-04-16"))
    sub = subscription("2026-01-01", shift)
    assert period_at(sub, YEAR, at("2026-04-20")) == Period(at("2026-01-01"), at("2027-01-01"))


def test_a_later_period_can_be_extended_too():
    first = extension(subscription("2026-04-01"), MONTH, at("2026-04-16"))
    second = extension(subscription("2026-04-01", first), MONTH, at("2026-05-20"))
    sub = subscription("2026-04-01", first, second)
    assert period_at(sub, MONTH, at("2026-05-15")) == Period(at("2026-04-01"), at("2026-05-16"))
    assert period_at(sub, MONTH, at("2026-06-18")) == Period(at("2026-05-16"), at("2026-06-20"))
    assert period_at(sub, MONTH, at("2026-06-20")) == Period(at("2026-06-20"), at("2026-07-20"))


def test_a_period_is_extended_once():
    shift = extension(subscription("2026-04-01"), MONTH, at("2026-04-16"))
    with pytest.raises(ValueError, match="moved out already"):
        extension(subscription("2026-04-01", shift), MONTH, at("2026-05-10"))


def test_an_extension_at_the_period_start_moves_nothing():
    assert extension(subscription("2026-04-01"), MONTH, at("2026-04-01")) is None


def test_a_shift_is_stored_as_texts():
    shift = AnchorShift(boundary=at("2026-05-01"), anchor=at("2026-05-16"), at=at("2026-04-16"), cadence=MONTH)
    assert shift_to_json(shift) == {
        "cadence": "P1M",
        "from": "2026-05-01T00:00:00+00:00",
        "anchor": "2026-05-16T00:00:00+00:00",
        "at": "2026-04-16T00:00:00+00:00",
    }


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
