"""Cuts of a span of time: only those inside it divide it, each once."""

from subscriptions.schedule.facts import Span
from subscriptions.schedule.obligations import split_at
from tests.support.clock import at

FIRST, MIDDLE, LAST = at("2026-04-01"), at("2026-04-16"), at("2026-05-01")


def test_a_cut_at_an_end_of_the_span_or_outside_of_it_divides_nothing():
    cuts = (at("2026-03-01"), FIRST, MIDDLE, LAST, at("2026-06-01"))
    assert list(split_at(Span(FIRST, LAST), cuts)) == [Span(FIRST, MIDDLE), Span(MIDDLE, LAST)]
    assert list(split_at(Span(FIRST, MIDDLE), cuts)) == [Span(FIRST, MIDDLE)]


def test_an_endless_span_is_divided_and_stays_endless():
    assert list(split_at(Span(FIRST, None), (MIDDLE,))) == [Span(FIRST, MIDDLE), Span(MIDDLE, None)]
    assert list(split_at(Span(FIRST, None), ())) == [Span(FIRST, None)]
