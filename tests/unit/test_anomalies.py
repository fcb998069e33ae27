"""What is unusual about a draft: a table of figures that somebody worked out by hand."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from invoicing.drafts.anomalies import Anomaly, Before, DraftFacts, Kind, anomalies_of, rank_of, words_of
from tests.support.clock import at


def before(net, end="2026-03-01", start="2026-02-01", number="INV-000007", **more):
    return Before(number, Decimal(net), at(start), at(end), **more)


def draft(net="100.00", **facts):
    """March, over `net`, of a customer who was billed before and pays no tax."""
    values: dict[str, Any] = {
        "currency": "EUR",
        "total": Decimal(net),
        "net": Decimal(net),
        "charged": Decimal(net),
        "start": at("2026-03-01"),
        "end": at("2026-04-01"),
    }
    return DraftFacts(**(values | facts))


def said(facts):
    return [words_of(anomaly, facts.currency) for anomaly in anomalies_of(facts)]


def kinds(facts):
    return [anomaly.kind.value for anomaly in anomalies_of(facts)]


# Net before and now, and what is said. 30 % of 100.00 is 30.00, and of 99.99 it is 29.997.
AGAINST_THE_LAST = [
    ("100.00", "100.00", []),
    ("100.00", "70.01", []),
    ("100.00", "70.00", ["30 % below INV-000007: 100.00 EUR before, 70.00 EUR now, net."]),
    ("100.00", "129.99", []),
    ("100.00", "130.00", ["30 % above INV-000007: 100.00 EUR before, 130.00 EUR now, net."]),
    ("99.99", "70.00", []),
    ("99.99", "69.99", ["30 % below INV-000007: 99.99 EUR before, 69.99 EUR now, net."]),
    ("3.00", "1.00", ["67 % below INV-000007: 3.00 EUR before, 1.00 EUR now, net."]),
    ("0", "5.00", ["The last was zero: 0.00 EUR before, 5.00 EUR now, net."]),
]


@pytest.mark.parametrize(("last", "now", "expected"), AGAINST_THE_LAST)
def test_a_draft_that_is_thirty_percent_off_the_last_period_is_unusual(last, now, expected):
    assert said(draft(now, before=[before(last)])) == expected


def test_zero_says_so_beside_the_fall():
    facts = draft("0", before=[before("50.00")])
    assert said(facts) == [
        "It comes to nothing, though it has lines.",
        "100 % below INV-000007: 50.00 EUR before, 0.00 EUR now, net.",
    ]
    # Nothing before and nothing now is no fall.
    assert kinds(draft("0", before=[before("0")])) == ["zero"]


def test_the_last_is_the_one_that_ended_last_whatever_the_order():
    older = before("10.00", end="2026-02-01", start="2026-01-01", number="INV-000003")
    assert kinds(draft("100.00", before=[before("100.00"), older])) == []
    assert kinds(draft("100.00", before=[older, before("100.00")])) == []
    assert kinds(draft("10.00", before=[older, before("100.00")])) == ["fell"]


@pytest.mark.parametrize(
    "other",
    [
        # A year against a month, a day against a month; a part of a period; the same period; a later one.
        before("1200.00", start="2025-03-01", end="2026-03-01"),
        before("1.00", start="2026-02-28", end="2026-03-01"),
        before("500.00", in_parts=True),
        before("500.00", start="2026-03-01", end="2026-04-01"),
        before("500.00", start="2026-04-01", end="2026-05-01"),
    ],
)
def test_what_is_no_earlier_period_as_long_is_not_compared_with(other):
    assert kinds(draft("100.00", before=[other])) == []


def test_the_first_invoice_in_advance_is_compared_with_the_second_which_has_two_months():
    """31 days, then 61: the month past beside the month ahead."""
    facts = draft("300.00", start=at("2026-03-17"), end=at("2026-05-17"))
    first = before("50.00", start="2026-03-17", end="2026-04-17")
    assert kinds(replace(facts, before=[first])) == ["rose"]


def test_a_part_of_a_period_has_none_to_be_compared_with():
    assert kinds(draft("1.00", in_parts=True, before=[before("100.00")])) == []


def year(*nets):
    """A month each, the last of them February."""
    months = [f"2025-{month:02}-01" for month in range(1, 13)] + ["2026-01-01", "2026-02-01", "2026-03-01"]
    spans = list(pairwise(months))[-len(nets) :]
    return [
        before(net, start=start, end=end, number=f"INV-{number:06}")
        for number, (net, (start, end)) in enumerate(zip(nets, spans, strict=True), start=1)
    ]


@pytest.mark.parametrize(
    ("nets", "now", "expected"),
    [
        # The median of 80, 100 and 160 is 100: twice that is not much larger, a cent more is.
        (("80.00", "100.00", "160.00"), "200.00", []),
        (("80.00", "100.00", "160.00"), "200.01", ["large"]),
        # Of four it is between the middle two: 90 and 110.
        (("80.00", "90.00", "110.00", "170.00"), "200.00", []),
        (("80.00", "90.00", "110.00", "170.00"), "200.01", ["large"]),
        # Two are too few.
        (("10.00", "160.00"), "200.00", []),
        # Twice nothing is nothing.
        (("0", "0", "160.00"), "200.00", []),
    ],
)
def test_a_draft_above_twice_the_median_of_its_year_is_unusual(nets, now, expected):
    found = [each for each in anomalies_of(draft(now, before=year(*nets))) if each.kind is Kind.LARGE]
    assert len(found) == len(expected)
    if found:
        assert (found[0].figures["median"], found[0].figures["to"]) == ("100", "200.01")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"is_first": True}, "The customer's first invoice."),
        ({"untaxed_abroad": True}, "It charges a customer abroad without tax, and names no tax id of theirs."),
        ({"untaxed_abroad": True, "has_tax_id": True}, None),
        ({"given_back": Decimal("49.99")}, None),
        ({"given_back": Decimal("50.00")}, "It gives back 50.00 EUR of the 100.00 EUR that it charges, net."),
        ({"stopped": ["Calls"]}, "Nothing was used of Calls, unlike in the period before."),
        (
            {"stopped": ["Calls", "Storage", "Traffic", "Seats", "Mails"]},
            "Nothing was used of Calls, Storage, Traffic and 2 more, unlike in the period before.",
        ),
        ({"late_lines": 1}, "It has 1 line of late usage."),
        ({"late_lines": 2, "late_cases": 1}, "It has 2 lines of late usage and 1 open case of late usage."),
        ({"charges_by_hand": 2}, "It has 2 charges by hand."),
        ({"charges_by_hand": 1, "lines_edited": 3}, "It has 1 charge by hand and 3 lines set by hand."),
    ],
)
def test_what_is_unusual_about_a_draft_itself(facts, expected):
    assert said(draft(**facts)) == ([expected] if expected else [])


def test_the_weightier_comes_first_and_nothing_unusual_ranks_last():
    both = anomalies_of(draft("0", is_first=True, late_lines=1))
    assert [anomaly.kind for anomaly in both] == [Kind.ZERO, Kind.FIRST, Kind.LATE]
    first = anomalies_of(draft(is_first=True))
    assert rank_of(both) > rank_of(first) > rank_of([]) == 0


def test_what_is_stored_reads_back():
    for anomaly in anomalies_of(draft("0", is_first=True, stopped=["Calls"], before=[before("50.00")])):
        assert Anomaly.from_json(anomaly.to_json()) == anomaly
