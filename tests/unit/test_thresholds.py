"""Threshold notices (billing rules 9): which of a rule's thresholds fire, and when again."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.notices.thresholds import (
    NOTHING_PASSED,
    Figures,
    Kind,
    Threshold,
    is_crossed,
    judge,
    threshold_of,
)


def parse(text):
    """`80%`, `u500` (usage), `b100` (balance)."""
    if text.endswith("%"):
        return Threshold(Kind.USAGE_PERCENTAGE, Decimal(text[:-1]))
    return Threshold(Kind.USAGE_VALUE if text[0] == "u" else Kind.BALANCE_VALUE, Decimal(text[1:]))


def fired(thresholds, *steps):
    """What fires at each step, given as (usage, total); the balance is the rest, never negative."""
    rule = [parse(text) for text in thresholds.split()]
    named = {parse(text): text for text in thresholds.split()}
    passed, found = NOTHING_PASSED, []
    for usage, total in steps:
        judgement = judge(rule, figures(usage, total), passed)
        found.append(" ".join(named[each] for each in judgement.fires))
        passed = judgement.passed
    return found


def figures(usage, total):
    usage, total = Decimal(usage), Decimal(total)
    return Figures(usage, total, max(total - usage, Decimal(0)))


@pytest.mark.parametrize(
    ("thresholds", "steps", "said"),
    [
        # Strictly above; once.
        ("80%", [(80, 100), ("80.01", 100), (81, 100)], ["", "80%", ""]),
        ("u80", [(80, 100), (81, 100), (200, 100)], ["", "u80", ""]),
        ("100%", [(100, 100), (101, 100)], ["", "100%"]),
        ("150%", [(150, 100), (151, 100)], ["", "150%"]),
        # Strictly below; 0 at or below.
        ("b20", [(79, 100), (80, 100), (81, 100), (90, 100)], ["", "", "b20", ""]),
        ("b0", [(99, 100), (100, 100), (120, 100)], ["", "b0", ""]),
        # Only the highest and the lowest; what was passed on the way never fires by itself.
        ("50% 80% 95%", [(40, 100), (90, 100), (96, 100)], ["", "80%", "95%"]),
        ("50% 80%", [(90, 100), (60, 100), (40, 100), (60, 100)], ["80%", "", "", ""]),
        ("b50 b20 b0", [(85, 100), (100, 100)], ["b20", "b0"]),
        ("u50 80% b10", [(95, 100)], ["80% b10"]),
        ("u90 80%", [(85, 100), (95, 100)], ["80%", "u90"]),
        ("u90 80%", [(95, 100)], ["u90"]),
        # What is corrected downward and comes again is the same crossing.
        ("80%", [(81, 100), (70, 100), (81, 100)], ["80%", "", ""]),
        ("b20", [(81, 100), (81, 200), (190, 200)], ["b20", "", ""]),
        ("u80", [(81, 100), (81, 1000), (700, 1000)], ["u80", "", ""]),
        # A larger total brings usage back below a percentage, which is armed again: a change of plan, a grant on top.
        ("80%", [(45_000, 50_000), (45_000, 550_000), (441_000, 550_000)], ["80%", "", "80%"]),
        # The same though both came between two looks.
        ("80%", [(45_000, 50_000), (441_000, 550_000)], ["80%", "80%"]),
        # Larger, but usage stays above it all along.
        ("80%", [(95, 100), (96, 110), (100, 110)], ["80%", "", ""]),
        # A smaller total arms nothing, and is no crossing of what was passed.
        ("80%", [(81, 100), (81, 90), (81, 100)], ["80%", "", ""]),
        # An immediate downgrade below the usage is a crossing.
        ("80%", [(100, 1000), (100, 100)], ["", "80%"]),
        # Nothing to use at all.
        ("80%", [(0, 0), (1, 0)], ["", "80%"]),
        ("b0", [(0, 0)], ["b0"]),
    ],
)
def test_what_fires(thresholds, steps, said):
    assert fired(thresholds, *steps) == said


def test_another_period_begins_with_nothing_passed():
    rule = [parse("80%")]
    assert judge(rule, figures(90, 100)).fires == (parse("80%"),)
    assert judge(rule, figures(90, 100), NOTHING_PASSED).fires == (parse("80%"),)


def test_former_names_are_the_same_thresholds():
    assert threshold_of("PERCENT", Decimal(80)) == threshold_of("usage_percentage", Decimal("80.0"))
    assert threshold_of("NUMBER", Decimal(5)).key == threshold_of("usage_value", Decimal("5.00")).key == "usage_value:5"
    assert threshold_of("balance_value", Decimal(100)).key == "balance_value:100"


amounts = st.integers(0, 300).map(Decimal)
thresholds = st.lists(st.builds(Threshold, st.sampled_from(Kind), amounts), max_size=6, unique=True)
steps = st.lists(st.builds(figures, amounts, amounts), max_size=8)


@given(thresholds, steps)
def test_only_what_is_crossed_fires_one_of_each_sort_and_nothing_when_looked_at_again(rule, course):
    passed = NOTHING_PASSED
    for now in course:
        judgement = judge(rule, now, passed)
        assert all(is_crossed(each, now) for each in judgement.fires)
        assert len([each for each in judgement.fires if each.kind is Kind.BALANCE_VALUE]) <= 1
        assert len([each for each in judgement.fires if each.kind is not Kind.BALANCE_VALUE]) <= 1
        passed = judgement.passed
        assert judge(rule, now, passed).fires == ()


@given(thresholds, amounts, st.lists(amounts, max_size=8))
def test_with_one_total_each_threshold_fires_once_at_most(rule, total, usages):
    passed = NOTHING_PASSED
    seen: list[Threshold] = []
    for usage in usages:
        judgement = judge(rule, figures(usage, total), passed)
        seen.extend(judgement.fires)
        passed = judgement.passed
    assert len(seen) == len(set(seen))
