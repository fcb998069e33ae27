"""The burn-down of grants, in tables of figures worked out by hand (billing rules 9)."""

from decimal import Decimal
from uuid import UUID

import pytest

from core.periods import Period
from entitlements.access.burndown import ResetFacts, Segment, begin, counted_from, last_reset, segments, usage_period_at
from tests.support.burndown import grant, standing_at, state_at, timeline
from tests.support.clock import at

EVER_AFTER = "2027-04-01"


def shown(line, uses, moment):
    """What is left of each grant, usage, overage: `({1: "70"}, "30", "0")`."""
    now = standing_at(line, uses, moment)
    left = {grant_id.int: f"{amount:f}" for grant_id, amount in sorted(now.grants.items())}
    return left, f"{now.usage:f}", f"{now.overage:f}"


@pytest.mark.parametrize(
    ("grants", "left"),
    [
        # 30 are used of two grants of 20.
        pytest.param((grant(1, "20", priority=2), grant(2, "20", priority=1)), {1: "10", 2: "0"}, id="priority"),
        pytest.param(
            (grant(1, "20", expires_at="2026-06-01"), grant(2, "20", expires_at="2026-05-01")),
            {1: "10", 2: "0"},
            id="earliest expiry",
        ),
        pytest.param((grant(1, "20"), grant(2, "20", expires_at=EVER_AFTER)), {1: "10", 2: "0"}, id="never comes last"),
        pytest.param(
            (grant(1, "20", created="2026-03-02"), grant(2, "20", created="2026-03-01")),
            {1: "10", 2: "0"},
            id="creation",
        ),
        pytest.param((grant(2, "20"), grant(1, "20")), {1: "0", 2: "10"}, id="at last by id"),
        pytest.param(
            (
                grant(1, "20", priority=2, expires_at="2026-04-20", created="2026-03-01"),
                grant(2, "20", priority=1, created="2026-03-02"),
            ),
            {1: "10", 2: "0"},
            id="priority before expiry",
        ),
        # That a grant is voided later changes nothing of what burned before.
        pytest.param(
            (grant(1, "20", created="2026-03-01"), grant(2, "20", created="2026-03-02", voided_at="2026-04-11")),
            {1: "0", 2: "10"},
            id="a later void changes no order",
        ),
    ],
)
def test_grants_burn_by_priority_then_expiry_then_creation(grants, left):
    assert shown(timeline(*grants), (("2026-04-05", "30"),), "2026-04-10") == (left, "30", "0")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-04-01", ({1: "100"}, "0", "0")),
        ("2026-04-03", ({1: "100"}, "0", "0")),  # what is used at that moment counts from then on
        ("2026-04-04", ({1: "70"}, "30", "0")),
        ("2026-04-11", ({1: "70", 2: "90"}, "30", "0")),
        ("2026-04-13", ({1: "70", 2: "10"}, "110", "0")),
        ("2026-04-20", ({1: "70"}, "110", "0")),  # the second counts up to, not at, its expiry
        ("2026-04-22", ({1: "55"}, "125", "0")),
        ("2026-04-24", ({1: "0"}, "185", "5")),
    ],
)
def test_the_balance_at_each_moment_of_a_month(moment, expected):
    line = timeline(grant(1, "100"), grant(2, "90", "2026-04-11", expires_at="2026-04-20"))
    uses = (("2026-04-03", "30"), ("2026-04-12", "80"), ("2026-04-21", "15"), ("2026-04-23", "60"))
    assert shown(line, uses, moment) == expected


@pytest.mark.parametrize(
    ("limits", "used", "left"),
    [
        # What is left, at least the minimum, and then at most the maximum.
        ({}, "30", "0"),
        ({"max_rollover": "100"}, "30", "70"),
        ({"max_rollover": "50"}, "30", "50"),
        ({"min_rollover": "20", "max_rollover": "50"}, "95", "20"),
        ({"min_rollover": "20", "max_rollover": "50"}, "65", "35"),
        ({"min_rollover": "80", "max_rollover": "60"}, "30", "60"),
        ({"rollover": "100"}, "30", "100"),  # refilled, as `issueAfterReset` does
        ({"rollover": "100"}, "130", "100"),
        ({"min_rollover": "20", "max_rollover": "150"}, "0", "100"),
    ],
)
def test_a_reset_rolls_over_within_the_limits(limits, used, left):
    assert shown(timeline(grant(1, "100", **limits)), (("2026-04-20", used),), "2026-05-01") == ({1: left}, "0", "0")


@pytest.mark.parametrize(
    ("line", "moment", "expected"),
    [
        # 130 are used of 100 in April; 30 are overage.
        pytest.param(timeline(grant(1, "100", rollover="100")), "2026-04-30", ({1: "0"}, "130", "30"), id="before"),
        pytest.param(timeline(grant(1, "100", rollover="100")), "2026-05-01", ({1: "100"}, "0", "0"), id="forgiven"),
        pytest.param(
            timeline(grant(1, "100", rollover="100"), preserve_overage=True),
            "2026-05-01",
            ({1: "70"}, "0", "0"),
            id="kept, and taken from what comes",
        ),
        pytest.param(timeline(grant(1, "100"), preserve_overage=True), "2026-05-01", ({1: "0"}, "0", "30"), id="kept"),
        pytest.param(
            timeline(grant(1, "100", rollover="100"), resets=[ResetFacts(at("2026-04-25"), preserve_overage=True)]),
            "2026-04-25",
            ({1: "70"}, "0", "0"),
            id="kept by this reset",
        ),
        pytest.param(
            timeline(
                grant(1, "100", rollover="100"),
                resets=[ResetFacts(at("2026-04-25"), preserve_overage=False)],
                preserve_overage=True,
            ),
            "2026-04-25",
            ({1: "100"}, "0", "0"),
            id="forgiven by this reset",
        ),
        pytest.param(
            timeline(grant(1, "100"), grant(2, "50", "2026-04-22")),
            "2026-04-22",
            ({1: "0", 2: "20"}, "130", "0"),
            id="a grant that comes later takes it",
        ),
        pytest.param(
            timeline(grant(1, "100"), grant(2, "10", "2026-04-22")),
            "2026-04-22",
            ({1: "0", 2: "0"}, "130", "20"),
            id="as far as it goes",
        ),
    ],
)
def test_overage(line, moment, expected):
    assert shown(line, (("2026-04-20", "130"),), moment) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-04-07", ({1: "3"}, "7", "0")),
        ("2026-04-08", ({1: "10"}, "7", "0")),  # renewed, not added to
        ("2026-04-14", ({1: "0"}, "19", "2")),
        ("2026-04-15", ({1: "8"}, "19", "0")),  # the overage takes of the next
        ("2026-04-29", ({1: "10"}, "19", "0")),
        ("2026-05-01", ({1: "0"}, "0", "0")),  # a reset keeps nothing
        ("2026-05-06", ({1: "10"}, "0", "0")),  # the rhythm goes on from where it began
        ("2026-05-12", ({1: "10"}, "0", "0")),
        ("2026-05-13", ({}, "0", "0")),  # it ends where it would have been renewed
    ],
)
def test_a_grant_that_recurs_weekly(moment, expected):
    line = timeline(grant(1, "10", every="P1W", expires_at="2026-05-13"))
    assert shown(line, (("2026-04-02", "7"), ("2026-04-09", "12")), moment) == expected


def test_an_allowance_is_released_monthly_within_a_year():
    """A usage period of a year, 1,200 released as 100 a month: what isn't used in a month is gone."""
    line = timeline(grant(1, "100", "2026-01-01", every="P1M"), start="2026-01-01", cadence="P1Y")
    uses = (("2026-01-10", "30"), ("2026-02-10", "120"))
    assert shown(line, uses, "2026-01-31") == ({1: "70"}, "30", "0")
    assert shown(line, uses, "2026-02-01") == ({1: "100"}, "30", "0")
    assert shown(line, uses, "2026-02-28") == ({1: "0"}, "150", "20")
    assert shown(line, uses, "2026-03-01") == ({1: "80"}, "150", "0")
    assert standing_at(line, uses, "2026-03-01").total == Decimal(230)  # 30 + 100 + 20 used, 80 left


@pytest.mark.parametrize(
    ("voided_at", "moment", "expected"),
    [
        ("2026-04-10", "2026-04-09", ({1: "40"}, "60", "0")),
        ("2026-04-10", "2026-04-10", ({}, "60", "0")),  # what was used stays with it
        ("2026-04-10", "2026-04-20", ({}, "65", "5")),
        ("2026-04-01", "2026-04-20", ({}, "65", "65")),
    ],
)
def test_a_voided_grant_gives_nothing_from_then_on(voided_at, moment, expected):
    line = timeline(grant(1, "100", voided_at=voided_at))
    assert shown(line, (("2026-04-05", "60"), ("2026-04-15", "5")), moment) == expected


def test_the_total_is_what_there_is_and_what_was_used_of_what_is_gone():
    line = timeline(grant(1, "100"), grant(2, "50", expires_at="2026-04-10", priority=0))
    uses = (("2026-04-05", "20"), ("2026-04-12", "10"))
    assert standing_at(line, uses, "2026-04-06").total == Decimal(150)
    after = standing_at(line, uses, "2026-04-13")
    assert (after.total, after.balance, after.consumed) == (Decimal(120), Decimal(90), Decimal(30))
    assert after.burned == {UUID(int=1): Decimal(10), UUID(int=2): Decimal(20)}


@pytest.mark.parametrize(
    ("uses", "moment", "expected"),
    [
        # Two grants of 10; the second is first in order from the 11th on.
        ((("2026-04-02", "8"), ("2026-04-03", "-3")), "2026-04-05", ({1: "5"}, "5", "0")),
        ((("2026-04-02", "8"), ("2026-04-12", "-3")), "2026-04-13", ({1: "5", 2: "10"}, "5", "0")),
        ((("2026-04-02", "8"), ("2026-04-12", "5"), ("2026-04-13", "-6")), "2026-04-14", ({1: "3", 2: "10"}, "7", "0")),
        ((("2026-04-02", "14"), ("2026-04-03", "-2")), "2026-04-05", ({1: "0"}, "12", "2")),
        ((("2026-04-02", "14"), ("2026-04-03", "-9")), "2026-04-05", ({1: "5"}, "5", "0")),
        # Below nothing, what is used next is covered.
        ((("2026-04-02", "-4"), ("2026-04-12", "6")), "2026-04-13", ({1: "10", 2: "8"}, "2", "0")),
    ],
)
def test_usage_that_is_taken_back_returns_to_whom_it_was_taken_from_last(uses, moment, expected):
    line = timeline(grant(1, "10"), grant(2, "10", "2026-04-11", priority=0))
    assert shown(line, uses, moment) == expected


def test_less_than_one_that_was_given_back_covers_what_is_used_next():
    line = timeline(grant(1, "10"), grant(2, "10", "2026-04-11", priority=0))
    uses = (("2026-04-02", "-0.5"), ("2026-04-12", "0.75"))
    assert shown(line, uses, "2026-04-13") == ({1: "10", 2: "9.75"}, "0.25", "0.00")


def test_of_a_renewed_grant_no_more_returns_than_was_taken_since():
    """3 before it is renewed, 2 after: of 4 that are taken back it gets 2, and has no more than it began with."""
    line = timeline(grant(1, "10", every="P1W"))
    uses = (("2026-04-02", "3"), ("2026-04-09", "2"), ("2026-04-10", "-4"))
    whole = shown(line, uses, "2026-04-11")
    assert whole == ({1: "10"}, "1", "0")


def test_what_an_ended_or_renewed_grant_gave_returns_to_nobody():
    line = timeline(grant(1, "10", expires_at="2026-04-05"), grant(2, "10", every="P1W", priority=2))
    uses = (("2026-04-02", "15"), ("2026-04-09", "-15"))
    assert shown(line, uses, "2026-04-10") == ({2: "10"}, "0", "0")


@pytest.mark.parametrize(
    ("anchor", "resets", "moment", "start", "end"),
    [
        ("2026-04-01", [], "2026-04-17", "2026-04-01", "2026-05-01"),
        ("2026-01-31", [], "2026-04-17", "2026-03-31", "2026-04-30"),
        ("2026-06-10", [], "2026-04-17", "2026-04-10", "2026-05-10"),
        ("2026-04-01", ["2026-04-17"], "2026-04-16", "2026-04-01", "2026-04-17"),
        ("2026-04-01", ["2026-04-17"], "2026-04-17", "2026-04-17", "2026-05-01"),
        ("2026-04-01", ["2026-04-17"], "2026-05-02", "2026-05-01", "2026-06-01"),
        ("2026-04-01", [ResetFacts(at("2026-04-17"), at("2026-04-17"))], "2026-05-02", "2026-04-17", "2026-05-17"),
        ("2026-04-01", [ResetFacts(at("2026-04-17"), at("2026-04-17"))], "2026-05-20", "2026-05-17", "2026-06-17"),
    ],
)
def test_the_usage_period_at_a_moment(anchor, resets, moment, start, end):
    line = timeline(start="2026-03-01", anchor=anchor, resets=resets)
    assert usage_period_at(line, at(moment)) == Period(at(start), at(end))


def test_usage_counts_from_the_start_though_the_usage_period_began_before():
    line = timeline(start="2026-04-17", anchor="2026-04-01")
    assert counted_from(line, at("2026-04-20")) == at("2026-04-17")
    assert counted_from(line, at("2026-05-02")) == at("2026-05-01")
    assert last_reset(line, at("2026-04-17"), at("2026-04-30")) is None
    assert last_reset(line, at("2026-04-17"), at("2026-07-01")) == at("2026-07-01")


def test_the_segments_lie_between_all_that_changes():
    line = timeline(
        grant(1, "10", "2026-04-01", every="P1W", voided_at="2026-04-16"),
        grant(2, "10", "2026-04-20", expires_at="2026-06-01"),
        grant(3, "10", "2026-04-03", expires_at="2026-04-03"),
        start="2026-04-05",
        anchor="2026-04-01",
        resets=["2026-04-25"],
    )
    days = ["2026-04-05", "2026-04-08", "2026-04-15", "2026-04-16", "2026-04-20", "2026-04-25", "2026-05-01"]
    found = segments(line, at("2026-04-05"), at("2026-05-03"))
    assert [(part.start, part.end) for part in found] == [
        (at(a), at(b)) for a, b in zip(days, [*days[1:], "2026-05-03"], strict=True)
    ]
    assert [part.counted_from for part in found[-3:]] == [at("2026-04-05"), at("2026-04-25"), at("2026-05-01")]
    assert segments(line, at("2026-05-01"), at("2026-05-03")) == (
        Segment(at("2026-05-01"), at("2026-05-03"), at("2026-05-01")),
    )
    assert segments(line, at("2026-05-03"), at("2026-05-03")) == ()


def test_grants_of_the_past_count_from_the_start_with_all_they_have():
    line = timeline(grant(1, "10", "2026-01-01"), grant(2, "10", "2026-01-01", expires_at="2026-04-01"))
    assert {key.int for key in begin(line).balances} == {1}


def test_digits_are_kept_to_the_last():
    line = timeline(grant(1, "999999999999999.000000000001"))
    uses = (("2026-04-02", "0.000000000000000000000001"),)
    left = standing_at(line, uses, "2026-04-05").balance
    assert left == Decimal("999999999999999.000000000000999999999999")


def test_a_run_that_skips_a_change_is_refused():
    line = timeline(grant(1, "10", "2026-04-10"))
    with pytest.raises(ValueError, match="no segment ended where it began"):
        state_at(line, (), "2026-04-20", since=begin(line).used(Decimal(0), at("2026-04-15")))
