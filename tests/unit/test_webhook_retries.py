"""When webhooks are tried again: figures worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from core.notifications.retries import (
    MAX_ATTEMPTS,
    WAITS,
    asked_wait,
    is_success,
    pause_after,
    speaks_against_endpoint,
    wait_after,
)


def test_ten_attempts_in_about_two_days():
    assert MAX_ATTEMPTS == 10
    assert sum(WAITS, timedelta()) == timedelta(days=2, hours=3, minutes=36, seconds=10)


@pytest.mark.parametrize(
    ("attempts", "chance", "seconds"),
    [(1, 0.0, 8), (1, 0.5, 10), (1, 0.75, 11), (2, 0.5, 60), (3, 0.0, 240), (9, 0.5, 72_000), (10, 0.5, 72_000)],
)
def test_the_wait_grows_and_is_spread_by_a_fifth(attempts, chance, seconds):
    assert wait_after(attempts, chance=chance) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("openings", "seconds"), [(0, 30), (1, 60), (2, 120), (6, 1920), (7, 3600), (5000, 3600)])
def test_an_endpoint_is_left_alone_twice_as_long_each_time_up_to_an_hour(openings, seconds):
    assert pause_after(openings) == timedelta(seconds=seconds)


def test_only_an_answer_of_the_two_hundreds_is_success():
    assert [status for status in (199, 200, 204, 299, 300, 307, 400, 500) if is_success(status)] == [200, 204, 299]


def test_what_a_living_endpoint_says_of_one_message_does_not_speak_against_it():
    assert [status for status in (None, 307, 400, 401, 404, 422, 429, 500, 503) if speaks_against_endpoint(status)] == [
        None,
        307,
        401,
        404,
        429,
        500,
        503,
    ]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661\u0662", None),  # digits, and none of HTTP's
        ("0", 0),
        (" 120 ", 120),
        ("86401", 86_400),
        ("9" * 400, 86_400),
        ("Wed, 01 Apr 2026 00:10:00 GMT", 600),
        ("Wed, 01 Apr 2026 00:10:00 -0000", 600),
        ("Wed, 01 Apr 2026 02:10:00 +0200", 600),
        ("Tue, 31 Mar 2026 00:10:00 GMT", 0),
        ("Thu, 01 Apr 2027 00:10:00 GMT", 86_400),
        ("Wed, 41 Apr 2026 00:10:00 GMT", None),
    ],
)
def test_an_endpoint_gets_the_time_that_it_asks_for_and_a_day_at_most(said, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert asked_wait(said, datetime(2026, 4, 1, tzinfo=UTC)) == expected
