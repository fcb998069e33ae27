"""Threshold notices from usage to webhook (billing rules 9): once a crossing, by any number of workers."""

import json
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.notifications.models import Delivery, Event
from entitlements.access.entitlement_input import EntitlementInput
from entitlements.access.override_entitlement import override_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.access.void_grant import void_grant
from entitlements.features.create_feature import create_feature
from entitlements.metering.create_meter import create_meter
from entitlements.metering.touched import Reader, claim_touched
from entitlements.models import ThresholdState
from entitlements.notices.tell_due import tell_due
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give
from tests.support.managed import current, entitling_plan
from tests.support.notices import make_rule, payloads, report, told
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def make_feature(key, type="usage"):
    with clock.frozen_at(at("2026-03-01")):
        create_meter(key=key, event_type=type, aggregation="SUM", value_property="$.amount")
        return create_feature(key=key, name=key, meter_key=key)


@pytest.fixture
def feature():
    return make_feature("calls")


@pytest.fixture
def acme(feature):
    return make_customer()


EIGHTY = ("usage_percentage", 80)


def test_the_highest_and_the_lowest_are_told_once_with_the_figures(acme, feature):
    entitle(acme)
    make_rule(("usage_percentage", 50), EIGHTY, ("balance_value", 20), ("balance_value", 5))
    report("2026-04-02T10:00", 81)
    assert told("2026-04-02T10:01") == [EIGHTY, ("balance_value", 20)]
    assert told("2026-04-02T10:02") == []
    report("2026-04-02T11:00", 1)
    assert told("2026-04-02T11:01") == []
    event = Event.objects.order_by("id")[0]
    assert (event.customer_id, event.feature_id, event.subject) == (acme.pk, feature.pk, "acme")
    shown = json.loads(event.body)["data"]
    assert shown["value"] == {
        "hasAccess": True,
        "balance": 19,
        "usage": 81,
        "overage": 0,
        "totalAvailableGrantAmount": 100,
    }
    assert (shown["feature"]["key"], shown["subject"]["key"], shown["customer"]["key"]) == ("calls", "acme", "acme")
    assert (shown["entitlement"]["featureKey"], shown["entitlement"]["type"]) == ("calls", "metered")
    assert Delivery.objects.count() == 2


def test_a_larger_total_arms_a_percentage_again_and_a_reset_arms_all(acme, feature):
    entitlement = entitle(acme)
    make_rule(EIGHTY, ("usage_value", 90))
    report("2026-04-02T10:00", 95)
    assert told("2026-04-02T10:01") == [("usage_value", 90)]
    give(entitlement, "900", "2026-04-03")
    report("2026-04-03T10:00", 800)
    assert told("2026-04-03T10:01") == [EIGHTY]
    with clock.frozen_at(at("2026-04-04")):
        reset_usage(entitlement=entitlement)
    report("2026-04-04T10:00", 91)
    assert told("2026-04-04T10:01") == [("usage_value", 90)]
    # The next period by itself.
    report("2026-05-05T10:00", 91)
    assert told("2026-05-05T10:01") == [("usage_value", 90)]


def test_what_was_told_is_not_told_again_when_another_entitlement_takes_its_place(acme, feature):
    entitlement = entitle(acme)
    make_rule(EIGHTY)
    report("2026-04-02T10:00", 85)
    assert told("2026-04-02T10:01") == [EIGHTY]
    with clock.frozen_at(at("2026-04-03")):
        override_entitlement(
            entitlement=entitlement,
            replacement=EntitlementInput(
                type="metered",
                feature_key="calls",
                usage_period=("P1M", at("2026-04-01")),
                measure_usage_from=at("2026-04-01"),
                issue=(Decimal(105), 1),
            ),
        )
    report("2026-04-03T10:00", 1)  # 86 of 105: above 84 all along
    assert told("2026-04-03T10:01") == []
    assert ThresholdState.objects.count() == 1


def test_a_grant_that_is_voided_is_judged_without_usage(acme, feature):
    entitlement = entitle(acme)
    extra = give(entitlement, "100")
    make_rule(EIGHTY, ("balance_value", 50))
    report("2026-04-02T10:00", 90)
    assert told("2026-04-02T10:01") == []  # 90 of 200
    with clock.frozen_at(at("2026-04-03")):
        void_grant(grant=extra)
    # 90 were burned from what the entitlement came with, as it was made first: 10 are left of 100.
    [usage, balance] = payloads("2026-04-03T00:00:05")
    assert usage["data"]["threshold"] == {"type": "usage_percentage", "value": 80}
    assert balance["data"]["threshold"] == {"type": "balance_value", "value": 50}
    assert usage["data"]["value"]["balance"] == 10
    assert told("2026-04-03T00:00:10") == []


def test_a_grant_that_expires_is_judged_though_nobody_does_anything(acme, feature):
    entitlement = entitle(acme)
    give(entitlement, "50", priority=2, expiration=("DAY", 9))
    make_rule(("balance_value", 120))
    assert told("2026-04-09T23:59") == []  # 150
    assert told("2026-04-10T00:00:05") == [("balance_value", 120)]
    assert told("2026-04-11") == []


def test_one_that_begins_and_one_that_is_renewed_by_time_are_judged_then(acme, feature):
    entitlement = entitle(acme)
    make_rule(EIGHTY)
    report("2026-04-02T10:00", 85)
    assert told("2026-04-02T10:01") == [EIGHTY]
    give(entitlement, "20", "2026-04-03", effective_at=at("2026-04-05"))
    assert told("2026-04-05") == []  # 85 of 120: armed again
    report("2026-04-06T10:00", 12)
    assert told("2026-04-06T10:01") == [EIGHTY]  # 97 of 120


def test_a_grant_arms_a_percentage_at_once_so_that_its_void_is_another_crossing(acme, feature):
    entitlement = entitle(acme)
    make_rule(EIGHTY)
    report("2026-04-02T10:00", 85)
    assert told("2026-04-02T10:01") == [EIGHTY]
    extra = give(entitlement, "20", "2026-04-03")
    assert told("2026-04-03T00:00:05") == []
    with clock.frozen_at(at("2026-04-04")):
        void_grant(grant=extra)
    assert told("2026-04-04T00:00:05") == [EIGHTY]
    assert told("2026-04-04T00:00:10") == []


def test_a_change_to_a_smaller_plan_is_judged_at_once_and_to_a_larger_one_tells_nothing_twice(feature):
    started = subscribe(entitling_plan(feature, "hundred", 100))
    make_rule(EIGHTY, ("usage_percentage", 100))
    report("2026-04-02T10:00", 60)
    assert told("2026-04-02T10:01") == []
    down = change(started, entitling_plan(feature, "fifty", 50), "2026-04-03").successor
    assert told("2026-04-03T00:00:05") == [("usage_percentage", 100)]
    # 60 of 70: below 100 %, still above 80 %, which was passed with it.
    up = change(down, entitling_plan(feature, "seventy", 70), "2026-04-04").successor
    assert told("2026-04-04T00:00:05") == []
    report("2026-04-04T10:00", 11)  # 71 of 70
    assert told("2026-04-04T10:01") == [("usage_percentage", 100)]
    change(up, entitling_plan(feature, "thousand", 1000), "2026-04-05")
    report("2026-04-05T10:00", 730)  # 801 of 1000
    assert told("2026-04-05T10:01") == [EIGHTY]


def test_all_are_armed_again_at_each_kind_of_reset(feature):
    started = subscribe(entitling_plan(feature, "hundred", 100))
    make_rule(EIGHTY, ("usage_value", 10), ("balance_value", 50))
    both = [EIGHTY, ("balance_value", 50)]
    report("2026-04-02T10:00", 81)
    assert told("2026-04-02T10:01") == both
    change(started, entitling_plan(feature, "again", 100), "2026-04-03", usage="reset")
    assert told("2026-04-03T00:00:05") == []
    report("2026-04-03T10:00", 81)
    assert told("2026-04-03T10:01") == both
    with clock.frozen_at(at("2026-04-04")):
        reset_usage(entitlement=current("2026-04-04"))
    report("2026-04-04T10:00", 81)
    assert told("2026-04-04T10:01") == both
    report("2026-05-04T10:00", 81)
    assert told("2026-05-04T10:01") == both


def test_other_features_and_customers_without_an_entitlement_are_not_looked_at(acme, feature):
    other = make_feature("tokens", "tokens")
    entitle(acme)
    make_rule(EIGHTY, features=[other])
    report("2026-04-02T10:00", 95, "acme", "stranger")
    assert told("2026-04-02T10:01") == []


def test_without_a_rule_the_marks_are_taken_away_and_nothing_is_told(acme, feature):
    entitle(acme)
    report("2026-04-02T10:00", 95)
    assert told("2026-04-02T10:01") == []
    assert claim_touched(Reader.THRESHOLDS) == []
    assert not ThresholdState.objects.exists()


def test_thirty_customers_take_as_many_queries_as_three(feature):
    make_rule(EIGHTY)
    counts = []
    for first, number in ((0, 3), (3, 30)):
        keys = [f"c{index}" for index in range(first, first + number)]
        for key in keys:
            entitle(make_customer(key=key, name=key))
        report("2026-04-02T10:00", 90, *keys)
        with clock.frozen_at(at("2026-04-02T10:01")), CaptureQueriesContext(connection) as queries:
            assert tell_due() == number
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_two_workers_tell_each_crossing_once(feature):
    make_rule(EIGHTY)
    keys = [f"c{index}" for index in range(20)]
    for key in keys:
        entitle(make_customer(key=key, name=key))
    for hour in range(10, 20):  # many hours of each, which the workers share
        report(f"2026-04-02T{hour}:00", 9, *keys)
    told_by = at_once(tell_due, tell_due, now=at("2026-04-02T20:00"))
    assert sum(told_by) == Event.objects.count() == 20
    assert len(set(Event.objects.values_list("customer_id", flat=True))) == 20
