"""Notices of resets (billing rules 9): each is told once, soon after its moment, by any number of workers."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock
from core.notifications.models import Delivery, Event
from entitlements.access.create_entitlement import create_entitlement
from entitlements.access.delete_entitlement import delete_entitlement
from entitlements.access.entitlement_input import EntitlementInput
from entitlements.access.reset_usage import reset_usage
from entitlements.models import Entitlement, EntitlementChange, EntitlementDue
from entitlements.notices import tell_due as module
from entitlements.notices.changes import make_due
from entitlements.notices.tell_due import tell_due
from invoicing.runs.advance_clock import advance_clock, set_clock
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.managed import current, entitling_plan
from tests.support.notices import make_rule, payloads
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db

TOO_LONG = "SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)"
AWAY = "SELECT pg_terminate_backend(pg_backend_pid())"
EVERY_DAY: dict[str, Any] = {"usage_period": ("P1D", None)}


def resets(moment):
    """What is told in that moment: when usage was reset, and what was left then."""
    found = payloads(moment)
    assert {each["type"] for each in found} <= {"entitlements.reset"}
    return [(each["timestamp"], each["data"]["value"]["balance"]) for each in found]


@pytest.fixture
def feature():
    return make_metered_feature()


@pytest.fixture
def acme(feature):
    return make_customer()


@pytest.fixture
def rule(feature):
    return make_rule(type="entitlements.reset")


def test_a_reset_by_the_calendar_is_told_once_with_the_figures_of_its_moment(acme, feature, rule):
    entitle(acme)
    use("2026-04-10", 30)
    use("2026-05-01T00:00:02", 7)
    assert resets("2026-04-30T23:59:59") == []
    [told] = payloads("2026-05-01T00:00:03")
    assert (told["type"], told["timestamp"]) == ("entitlements.reset", "2026-05-01T00:00:00Z")
    assert told["data"]["value"] == {
        "hasAccess": True,
        "balance": 100,
        "usage": 0,
        "overage": 0,
        "totalAvailableGrantAmount": 100,
    }
    shown = told["data"]["entitlement"]
    assert shown["currentUsagePeriod"] == {"from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
    assert shown["lastReset"] == "2026-05-01T00:00:00Z"
    assert (told["data"]["subject"]["key"], told["data"]["customer"]["key"]) == ("acme", "acme")
    event = Event.objects.get()
    assert (event.customer_id, event.feature_id, event.subject) == (acme.pk, feature.pk, "acme")
    assert event.created_at == at("2026-05-01T00:00:03")
    assert Delivery.objects.count() == 1
    assert resets("2026-05-01T00:00:04") == resets("2026-05-31") == []
    assert EntitlementDue.objects.get().due_at == at("2026-06-01")


def test_that_an_entitlement_begins_is_no_reset_and_neither_is_what_lies_before_it(acme, feature, rule):
    entitle(acme, usage_period=("P1D", at("2026-03-01")), measure_usage_from=at("2026-03-01"))
    assert resets("2026-04-01") == []
    assert resets("2026-04-02") == [("2026-04-02T00:00:00Z", 100)]


def entitle_from(customer, on, active_from, **terms):
    """Made on one day, active from another."""
    values = {"type": "metered", "feature_key": "calls", "issue": (Decimal(100), 1), "usage_period": ("P1D", None)}
    with clock.frozen_at(at(on)):
        return create_entitlement(
            customer=customer, entitlement=EntitlementInput(**(values | terms)), active_from=at(active_from)
        )


def test_one_that_begins_later_is_told_of_from_its_first_reset_on(acme, feature, rule):
    entitle_from(acme, "2026-04-10", "2026-04-20")
    assert resets("2026-04-15") == resets("2026-04-20T00:00:05") == []
    assert resets("2026-04-21T00:00:05") == [("2026-04-21T00:00:00Z", 100)]


def test_so_is_one_whose_usage_is_measured_from_before_it_begins(acme, feature, rule):
    entitle_from(acme, "2026-04-10", "2026-04-20", measure_usage_from=at("2026-04-01"))
    assert resets("2026-04-20T00:00:05") == []
    assert resets("2026-04-21T00:00:05") == [("2026-04-21T00:00:00Z", 100)]


def test_what_is_entered_backwards_tells_of_no_calendar_reset_from_before_it_was_entered(acme, feature, rule):
    entitlement = entitle(acme)
    with clock.frozen_at(at("2026-04-02")):
        delete_entitlement(entitlement=entitlement)
    assert resets("2026-04-03") == []
    entitle_from(acme, "2026-04-20T12:00", "2026-04-05")
    assert resets("2026-04-20T12:00:05") == []
    assert [when for when, _ in resets("2026-04-21T00:00:05")] == ["2026-04-21T00:00:00Z"]


def test_a_change_just_after_a_reset_that_nobody_has_looked_at_yet_loses_nothing(acme, feature, rule):
    entitlement = entitle(acme)
    assert resets("2026-04-30") == []
    give(entitlement, "5", "2026-05-01T00:00:02")
    assert resets("2026-05-01T00:00:05") == [("2026-05-01T00:00:00Z", 100)]


def test_a_reset_waits_with_the_changes_that_come_after_it(acme, feature, rule):
    entitlement = entitle(acme)
    assert resets("2026-04-10") == []
    with clock.frozen_at(at("2026-04-10T08:00")):
        reset_usage(entitlement=entitlement, effective_at=at("2026-04-05"))
    assert make_due()
    give(entitlement, "5", "2026-04-10T09:00")
    assert [when for when, _ in resets("2026-04-10T10:00")] == ["2026-04-05T00:00:00Z"]


def test_each_reset_that_was_missed_is_told_in_order_with_what_was_left_then(acme, feature, rule):
    give(entitle(acme, issue=None, **EVERY_DAY), "1000", max_rollover=Decimal(1000))
    use("2026-04-01T12:00", 100)
    use("2026-04-03T12:00", 50)
    found = payloads("2026-04-05T08:00")
    periods = [each["data"]["entitlement"]["currentUsagePeriod"]["from"] for each in found]
    assert periods == [f"2026-04-0{day}T00:00:00Z" for day in (2, 3, 4, 5)]
    assert [(each["timestamp"], each["data"]["value"]["balance"]) for each in found] == [
        ("2026-04-02T00:00:00Z", 900),
        ("2026-04-03T00:00:00Z", 900),
        ("2026-04-04T00:00:00Z", 850),
        ("2026-04-05T00:00:00Z", 850),
    ]


def test_a_month_of_missed_days_is_told_whole_in_several_looks(acme, feature, rule):
    entitle(acme, **EVERY_DAY)
    assert [when for when, _ in resets("2026-04-30T08:00")] == [f"2026-04-{day:02}T00:00:00Z" for day in range(2, 31)]
    assert resets("2026-04-30T09:00") == []


def test_a_reset_by_a_call_is_told_also_where_it_lies_before_the_last_look(acme, feature, rule):
    entitlement = entitle(acme)
    assert resets("2026-04-10") == []
    with clock.frozen_at(at("2026-04-10T08:00")):
        reset_usage(entitlement=entitlement, effective_at=at("2026-04-05"))
        reset_usage(entitlement=entitlement)
    assert [when for when, _ in resets("2026-04-10T08:00:05")] == ["2026-04-05T00:00:00Z", "2026-04-10T08:00:00Z"]
    # The usage period is anchored there from now on.
    assert resets("2026-05-01T00:00:05") == []
    assert [when for when, _ in resets("2026-05-10T08:00:05")] == ["2026-05-10T08:00:00Z"]


def test_a_change_of_plan_is_told_where_it_resets_usage_and_not_where_it_keeps_it(feature, rule):
    started = subscribe(entitling_plan(feature))
    use("2026-04-09", 3)
    assert resets("2026-04-10") == []
    up = change(started, entitling_plan(feature, "basic", 100000), "2026-04-16")
    assert resets("2026-04-16T00:00:05") == []
    change(up.successor, entitling_plan(feature, "starter", 550000), "2026-04-20", usage="reset")
    assert resets("2026-04-20T00:00:05") == [("2026-04-20T00:00:00Z", 550000)]
    assert resets("2026-05-01T00:00:05") == [("2026-05-01T00:00:00Z", 550000)]


def test_a_change_of_plan_at_the_end_of_the_period_is_one_reset(feature, rule):
    started = subscribe(entitling_plan(feature, "starter", 550000))
    change(started, entitling_plan(feature), "2026-04-16", timing="next_billing_cycle")
    assert resets("2026-04-30") == []
    assert resets("2026-05-01T00:00:05") == [("2026-05-01T00:00:00Z", 50000)]
    assert current("2026-05-02").managed_keys["plan"] == "free"


def test_one_that_was_deleted_since_is_told_of_up_to_then_and_no_more(acme, feature, rule):
    entitlement = entitle(acme)
    with clock.frozen_at(at("2026-05-01T00:00:02")):
        delete_entitlement(entitlement=entitlement)
    assert resets("2026-05-01T00:00:05") == [("2026-05-01T00:00:00Z", 100)]
    assert EntitlementDue.objects.get().due_at is None
    assert resets("2026-06-02") == []
    later = entitle(acme, "2026-06-10")
    with clock.frozen_at(at("2026-07-20")):
        delete_entitlement(entitlement=later)
    # Looked at long after its end.
    assert resets("2026-09-15") == [("2026-07-10T00:00:00Z", 100)]


def test_a_rule_about_another_feature_and_none_at_all_are_told_nothing_and_the_time_goes_on(acme, feature):
    entitle(acme)
    assert resets("2026-05-01") == []
    assert EntitlementDue.objects.get().due_at == at("2026-06-01")
    make_rule(type="entitlements.reset", features=[make_feature(key="tokens", name="Tokens")])
    assert resets("2026-06-01") == []
    make_rule(type="entitlements.reset")
    assert resets("2026-06-01") == []
    assert resets("2026-07-01") == [("2026-07-01T00:00:00Z", 100)]


def test_who_ends_in_the_middle_of_a_look_leaves_all_of_it_to_the_next(acme, feature, rule):
    entitle(acme)

    def end(execute, sql, params, many, context):
        if sql.startswith('UPDATE "entitlements_entitlementdue"'):
            raise KeyboardInterrupt
        return execute(sql, params, many, context)

    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(end):
        resets("2026-05-01")
    assert Event.objects.count() == 0
    assert resets("2026-05-01") == [("2026-05-01T00:00:00Z", 100)]


def test_one_that_cannot_be_looked_at_keeps_no_other_waiting_and_is_tried_again(acme, feature, rule):
    broken = entitle(acme)
    entitle(make_customer(key="beta", name="Beta"))
    assert resets("2026-04-02") == []
    Entitlement.objects.filter(pk=broken.pk).update(usage_period="P1X")
    assert len(resets("2026-05-01")) == 1
    assert resets("2026-05-01T00:30") == []
    Entitlement.objects.filter(pk=broken.pk).update(usage_period="P1M")
    assert resets("2026-05-01T01:00") == [("2026-05-01T00:00:00Z", 100)]


@pytest.mark.parametrize(("statement", "told"), [(TOO_LONG, 1), (AWAY, None)])
@pytest.mark.django_db(transaction=True)
def test_a_look_that_takes_too_long_stops_its_own_and_a_database_that_is_away_stops_all(
    acme, feature, rule, monkeypatch, statement, told
):
    slow = entitle(acme)
    entitle(make_customer(key="beta", name="Beta"))
    assert resets("2026-04-02") == []
    look = module._look_at

    def look_at(due, claimed):
        ids = list(due.filter(due_at__lte=clock.now()).values_list("pk", flat=True))
        if EntitlementDue.objects.filter(pk__in=ids, customer=slow.customer).exists():
            claimed.extend(ids)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
        return look(due, claimed)

    monkeypatch.setattr(module, "_look_at", look_at)
    if told is None:
        with pytest.raises(OperationalError, match="terminating connection"):
            resets("2026-05-01")
    else:
        assert len(resets("2026-05-01")) == told


def test_thirty_customers_take_as_many_queries_as_three(feature, rule):
    counts = []
    for first, number in ((0, 3), (3, 30)):
        for index in range(first, first + number):
            # Each at a moment of its own.
            entitle(make_customer(key=f"c{index}", name=f"c{index}"), f"2026-04-01T{index % 24:02}:{index:02}")
        with clock.frozen_at(at("2026-05-03" if first else "2026-05-02")), CaptureQueriesContext(connection) as queries:
            assert tell_due() == number
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_test_clock_tells_in_order_of_time_as_it_advances(acme, feature, rule):
    set_clock(now=at("2026-04-01"))
    entitle(acme)
    use("2026-04-01", 1)  # there is something to bill
    set_clock(now=at("2026-06-15"))
    advance_clock()
    told = Event.objects.order_by("id").values_list("created_at", flat=True)
    assert list(told) == [at("2026-05-01"), at("2026-06-01")]


@pytest.mark.django_db(transaction=True)
def test_two_workers_tell_each_reset_once(feature, rule):
    for index in range(30):
        entitle(make_customer(key=f"c{index}", name=f"c{index}"), **EVERY_DAY)
    assert sum(at_once(tell_due, tell_due, tell_due, now=at("2026-04-03T00:00:05"))) == 60
    assert Event.objects.count() == Event.objects.values("dedupe_key").distinct().count() == 60
    assert not EntitlementChange.objects.exists()
