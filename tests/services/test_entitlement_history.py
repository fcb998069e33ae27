"""The history of a balance: by window of the calendar, and by what burned which grant (billing rules 9)."""

import pytest

from core import clock
from core.periods import Period
from entitlements.access.balances import burndowns_of
from entitlements.access.history import history_of
from entitlements.access.reset_usage import reset_usage
from entitlements.access.selectors import entitlements_with_facts
from entitlements.errors import BadQuery
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def entitlement():
    customer = make_customer()
    make_metered_feature()
    entitlement = entitle(customer)
    give(entitlement, "50", "2026-04-11", priority=0)
    for moment, amount in [
        ("2026-04-03T08:00", 30),
        ("2026-04-11T00:30", 45),
        ("2026-04-11T22:30", 10),
        ("2026-05-02", 7),
    ]:
        use(moment, amount)
    with clock.frozen_at(at("2026-04-20")):
        reset_usage(entitlement=entitlement, retain_anchor=True)
    return entitlement


def history(start, end, size, zone="UTC"):
    [burndown] = burndowns_of(entitlements_with_facts())
    return history_of(burndown, Period(at(start), at(end)), size, zone)


def windows(*asked):
    return [
        (f"{w.period.start:%m-%dT%H:%M}", f"{w.period.end:%m-%dT%H:%M}", f"{w.usage:f}", f"{w.balance_at_start:f}")
        for w in history(*asked).windows
    ]


def test_days_with_usage_and_the_balance_at_their_start(entitlement):
    assert windows("2026-04-01", "2026-05-10", "DAY") == [
        ("04-03T00:00", "04-04T00:00", "30", "100"),
        ("04-11T00:00", "04-12T00:00", "55", "120"),
        ("05-02T00:00", "05-03T00:00", "7", "100"),
    ]


def test_days_of_a_zone(entitlement):
    assert windows("2026-04-10", "2026-04-13", "DAY", "Europe/Berlin") == [
        ("04-10T22:00", "04-11T22:00", "45", "70"),
        ("04-11T22:00", "04-12T22:00", "10", "75"),
    ]


def test_hours_and_clipped_windows(entitlement):
    assert windows("2026-04-11T00:15", "2026-04-11T22:45", "HOUR") == [
        ("04-11T00:15", "04-11T01:00", "45", "120"),
        ("04-11T22:00", "04-11T22:45", "10", "75"),
    ]
    assert windows("2026-04-11T00:15", "2026-04-11T00:45", "MINUTE") == [("04-11T00:30", "04-11T00:31", "45", "120")]


def test_a_month_that_spans_a_reset(entitlement):
    assert windows("2026-04-01", "2026-06-01", "MONTH") == [
        ("04-01T00:00", "05-01T00:00", "85", "100"),
        ("05-01T00:00", "06-01T00:00", "7", "100"),
    ]


def test_segments_say_what_burned_which_grant(entitlement):
    extra, issued = entitlement.grants.order_by("-amount").reverse()
    shown = [
        (
            f"{s.period.start:%m-%d}",
            f"{s.usage:f}",
            f"{s.before.balance:f}",
            f"{s.after.balance:f}",
            {key: f"{amount:f}" for key, amount in s.burned.items()},
        )
        for s in history("2026-04-02", "2026-05-10", "DAY").segments
    ]
    assert shown == [
        ("04-02", "30", "100", "70", {issued.pk: "30"}),
        ("04-11", "55", "120", "65", {extra.pk: "50", issued.pk: "5"}),
        ("04-20", "0", "100", "100", {}),
        ("05-01", "7", "100", "93", {issued.pk: "7"}),
    ]


def test_the_figure_of_a_unique_count_grows_by_window():
    customer = make_customer()
    make_metered_feature(aggregation="UNIQUE_COUNT")
    entitle(customer)
    for moment, amount in [("2026-04-03", 1), ("2026-04-04", 1), ("2026-04-05", 2), ("2026-05-02", 1)]:
        use(moment, amount)
    assert windows("2026-04-04", "2026-05-10", "DAY") == [
        ("04-05T00:00", "04-06T00:00", "1", "99"),
        ("05-02T00:00", "05-03T00:00", "1", "100"),
    ]


def test_too_many_windows_are_refused(entitlement):
    with pytest.raises(BadQuery, match="more than 1500 windows"):
        history("2026-04-01", "2026-05-10", "MINUTE")
    assert history("2026-04-02", "2026-04-02", "DAY").windows == []
