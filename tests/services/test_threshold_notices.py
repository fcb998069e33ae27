"""Threshold notices from usage to webhook (billing rules 9): once a crossing, by any number of workers."""

import json
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.notifications.models import Delivery, Event
from core.notifications.services.save_channel import create_channel
from core.notifications.services.save_rule import create_rule
from entitlements.access.entitlement_input import EntitlementInput
from entitlements.access.override_entitlement import override_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.features.create_feature import create_feature
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.touched import Reader, claim_touched
from entitlements.models import ThresholdState
from entitlements.notices.tell_thresholds import tell_thresholds
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give

pytestmark = pytest.mark.django_db


def make_rule(*thresholds, features=()):
    channel, _ = create_channel(name="Usage", url="https://hooks.example.com/")
    said = [(kind, Decimal(value)) for kind, value in thresholds]
    ids = [feature.pk for feature in features]
    return create_rule(
        type="entitlements.balance.threshold", name="Usage", channel_ids=[channel.pk], thresholds=said, feature_ids=ids
    )


def use(moment, amount, *subjects):
    """So much by each subject, reported in that moment."""
    with clock.frozen_at(at(moment)):
        ingest_events(
            events=[
                {
                    "id": f"{subject}-{moment}",
                    "source": "test",
                    "type": "usage",
                    "subject": subject,
                    "time": at(moment).isoformat(),
                    "data": {"amount": str(amount)},
                }
                for subject in subjects or ("acme",)
            ]
        )


def told(moment):
    """The thresholds that are told of when one looks in that moment: type and value."""
    seen = set(Event.objects.values_list("pk", flat=True))
    with clock.frozen_at(at(moment)):
        tell_thresholds()
    events = Event.objects.exclude(pk__in=seen).order_by("id")
    found = [json.loads(event.body)["data"]["threshold"] for event in events]
    return [(each["type"], each["value"]) for each in found]


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
    use("2026-04-02T10:00", 81)
    assert told("2026-04-02T10:01") == [EIGHTY, ("balance_value", 20)]
    assert told("2026-04-02T10:02") == []
    use("2026-04-02T11:00", 1)
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
    use("2026-04-02T10:00", 95)
    assert told("2026-04-02T10:01") == [("usage_value", 90)]
    give(entitlement, "900", "2026-04-03")
    use("2026-04-03T10:00", 800)
    assert told("2026-04-03T10:01") == [EIGHTY]
    with clock.frozen_at(at("2026-04-04")):
        reset_usage(entitlement=entitlement)
    use("2026-04-04T10:00", 91)
    assert told("2026-04-04T10:01") == [("usage_value", 90)]
    # The next period by itself.
    use("2026-05-05T10:00", 91)
    assert told("2026-05-05T10:01") == [("usage_value", 90)]


def test_what_was_told_is_not_told_again_when_another_entitlement_takes_its_place(acme, feature):
    entitlement = entitle(acme)
    make_rule(EIGHTY)
    use("2026-04-02T10:00", 85)
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
    use("2026-04-03T10:00", 1)  # 86 of 105: above 84 all along
    assert told("2026-04-03T10:01") == []
    assert ThresholdState.objects.count() == 1


def test_other_features_and_customers_without_an_entitlement_are_not_looked_at(acme, feature):
    other = make_feature("tokens", "tokens")
    entitle(acme)
    make_rule(EIGHTY, features=[other])
    use("2026-04-02T10:00", 95, "acme", "stranger")
    assert told("2026-04-02T10:01") == []


def test_without_a_rule_the_marks_are_taken_away_and_nothing_is_told(acme, feature):
    entitle(acme)
    use("2026-04-02T10:00", 95)
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
        use("2026-04-02T10:00", 90, *keys)
        with clock.frozen_at(at("2026-04-02T10:01")), CaptureQueriesContext(connection) as queries:
            assert tell_thresholds() == number
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_two_workers_tell_each_crossing_once(feature):
    make_rule(EIGHTY)
    keys = [f"c{index}" for index in range(20)]
    for key in keys:
        entitle(make_customer(key=key, name=key))
    for hour in range(10, 20):  # many hours of each, which the workers share
        use(f"2026-04-02T{hour}:00", 9, *keys)
    told_by = at_once(tell_thresholds, tell_thresholds, now=at("2026-04-02T20:00"))
    assert sum(told_by) == Event.objects.count() == 20
    assert len(set(Event.objects.values_list("customer_id", flat=True))) == 20
