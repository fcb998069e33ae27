"""The states of a charge that can follow each other: a table of what is known, what is told, and what becomes of it."""

from datetime import timedelta

import pytest

from invoicing.payments.charge_moves import Teller, move
from tests.support.clock import at

KNOWN_AT = at("2026-03-17T12:00:05").replace(microsecond=600_000)


def judged(known, told, *, seconds=0, by="event", failed_before=False, heard=True):
    """The verdict on an event whose whole second is so many after the one in which the known state was heard of."""
    return move(
        known=known,
        known_at=KNOWN_AT if heard else None,
        failed_before=failed_before,
        told=told,
        told_at=KNOWN_AT.replace(microsecond=0) + timedelta(seconds=seconds),
        by=Teller(by),
    ).value


@pytest.mark.parametrize(
    ("known", "told", "seconds", "verdict"),
    [
        ("pending", "failed", 0, "take"),  # within the second in which the answer said processing
        ("pending", "failed", -30, "take"),  # our clock is ahead
        ("pending", "failed", -301, "ask"),
        ("pending", "succeeded", -999, "take"),
        ("pending", "action_required", 0, "take"),
        ("pending", "action_required", -1, "ask"),
        ("action_required", "failed", 0, "take"),
        ("action_required", "failed", -1, "ask"),
        ("action_required", "pending", 1, "take"),
        ("action_required", "pending", -1, "ask"),
        ("action_required", "action_required", 9, "ignore"),
        ("action_required", "unknown", 9, "ignore"),
        ("action_required", "succeeded", -9, "take"),
        ("unknown", "failed", -999, "take"),
        ("unknown", "action_required", -999, "take"),
        ("failed", "succeeded", -9, "take"),
        ("failed", "pending", 9, "ask"),
        ("failed", "pending", -9, "ask"),
        ("failed", "action_required", 9, "ignore"),
        ("failed", "failed", 9, "ignore"),
        *(
            ("succeeded", told, 9, "ignore")
            for told in ("pending", "failed", "action_required", "unknown", "succeeded")
        ),
    ],
)
def test_states_follow_each_other_as_the_table_says(known, told, seconds, verdict):
    assert judged(known, told, seconds=seconds) == verdict


def test_a_charge_that_was_not_heard_of_takes_any_state():
    assert {judged("pending", told, seconds=-999, heard=False) for told in ("pending", "failed", "unknown")} == {"take"}


@pytest.mark.parametrize(
    ("known", "told", "verdict"),
    [
        ("succeeded", "failed", "ignore"),
        ("succeeded", "pending", "ignore"),
        ("failed", "pending", "ask"),
        ("failed", "action_required", "ignore"),
        ("action_required", "failed", "take"),
        ("action_required", "pending", "take"),
    ],
)
def test_a_state_that_is_known_since_an_unknown_time_is_no_beginning(known, told, verdict):
    assert judged(known, told, seconds=999, heard=False) == verdict


def test_a_second_failure_is_told_from_the_first_by_its_time():
    assert judged("pending", "failed", seconds=-1, failed_before=True) == "ask"
    assert judged("pending", "failed", seconds=0, failed_before=True) == "take"


def test_what_is_asked_for_settles_it_and_an_answer_that_was_overtaken_does_not():
    assert judged("failed", "pending", by="asked") == "take"
    assert judged("action_required", "pending", seconds=-9, by="asked") == "take"
    assert judged("failed", "pending", seconds=9, by="answer") == "ignore"
