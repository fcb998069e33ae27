"""What a subscription entitles to follows from its facts, whatever is done to it; the usage of a period is kept
(billing rules 9)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from entitlements.access.chains import carried_grants
from entitlements.access.delete_entitlement import delete_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.access.void_grant import void_grant
from entitlements.errors import EntitlementManaged, EntitlementTaken
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from subscriptions.lifecycle.edits import AddItem, RemoveItem
from subscriptions.lifecycle.entitle import settle_entitlements
from subscriptions.lifecycle.selectors import terms_of_revision
from subscriptions.models import AddOn, AddOnRateCard, ItemRevision, PlanAddOn, Subscription, SubscriptionAddOn
from tests.support.catalog import flat_card, flat_plan
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.managed import current, entitling_card, entitling_plan, have, rows
from tests.support.subscriptions import change, do, edit, subscribe, unscheduled
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(db):
    return make_metered_feature()


class TestChange:
    def test_an_upgrade_keeps_the_period_and_what_was_used_of_it(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-09", 3)
        assert have("2026-04-10") == (True, "50000", "3", "49997", "0")
        change(started, entitling_plan(calls, "starter", 550000, price="30.00"), "2026-04-16")
        assert rows() == [("free", "04-01", "04-16"), ("starter", "04-16", None)]
        assert have("2026-04-16") == (True, "550000", "3", "549997", "0")
        assert have("2026-04-10") == (True, "50000", "3", "49997", "0")  # the past is as it was
        use("2026-04-20", 7)
        use("2026-04-05", 1)  # late
        assert have("2026-04-30") == (True, "550000", "11", "549989", "0")
        assert have("2026-05-01") == (True, "550000", "0", "550000", "0")

    def test_with_usage_reset_it_starts_anew(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-09", 3)
        change(started, entitling_plan(calls, "starter", 550000), "2026-04-16", usage="reset")
        assert have("2026-04-16") == (True, "550000", "0", "550000", "0")
        use("2026-04-20", 7)
        assert have("2026-04-30") == (True, "550000", "7", "549993", "0")
        assert have("2026-05-01") == (True, "550000", "0", "550000", "0")  # in the anchor of before

    def test_a_downgrade_at_once_below_the_usage_shows_what_is_over(self, calls):
        started = subscribe(entitling_plan(calls, "starter", 550000))
        use("2026-04-09", 60000)
        change(started, entitling_plan(calls), "2026-04-16")
        assert have("2026-04-16") == (False, "50000", "60000", "0", "10000")

    def test_a_soft_limit_gives_access_there(self, calls):
        started = subscribe(entitling_plan(calls, "starter", 550000))
        use("2026-04-09", 60000)
        change(started, entitling_plan(calls, isSoftLimit=True), "2026-04-16")
        assert have("2026-04-16") == (True, "50000", "60000", "0", "10000")

    def test_one_that_is_scheduled_is_seen_taken_back_and_scheduled_again(self, calls):
        started, free = subscribe(entitling_plan(calls, "starter", 550000)), entitling_plan(calls)
        use("2026-04-09", 60000)
        change(started, free, "2026-04-16", timing="next_billing_cycle")
        assert rows() == [("starter", "04-01", "05-01"), ("free", "05-01", None)]
        assert have("2026-04-16") == (True, "550000", "60000", "490000", "0")
        unscheduled(started, "2026-04-17")
        assert rows() == [("starter", "04-01", None)]
        assert have("2026-05-02") == (True, "550000", "0", "550000", "0")
        change(started, free, "2026-04-18", timing="next_billing_cycle")
        assert rows() == [("starter", "04-01", "05-01"), ("free", "05-01", None)]
        assert have("2026-05-02") == (True, "50000", "0", "50000", "0")

    def test_so_is_one_that_is_scheduled_after_a_change_in_mid_period(self, calls):
        free = entitling_plan(calls)
        up = change(subscribe(free), entitling_plan(calls, "starter", 550000), "2026-04-10").successor
        use("2026-05-01", 60000)
        change(up, free, "2026-05-02", timing="next_billing_cycle")
        unscheduled(up, "2026-05-02")
        change(up, free, "2026-05-02", timing="next_billing_cycle")
        assert have("2026-05-02") == (True, "550000", "60000", "490000", "0")
        assert have("2026-06-01") == (True, "50000", "0", "50000", "0")

    def test_two_changes_of_one_moment_keep_it_too(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-09", 3)
        second = change(started, entitling_plan(calls, "basic", 100000), "2026-04-16")
        change(second.successor, entitling_plan(calls, "starter", 550000), "2026-04-16")
        assert have("2026-04-16") == (True, "550000", "3", "549997", "0")

    def test_what_staff_reset_before_is_not_counted_again(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-05", 40)
        change(started, entitling_plan(calls, "starter", 550000), "2026-04-06", timing=at("2026-04-20"))
        with clock.frozen_at(at("2026-04-10")):
            reset_usage(entitlement=current("2026-04-10"), retain_anchor=True)
        use("2026-04-12", 3)
        assert have("2026-04-20") == (True, "550000", "3", "549997", "0")

    def test_a_feature_that_the_other_plan_lacks_ends(self, calls):
        started = subscribe(entitling_plan(calls))
        change(started, flat_plan("bare", "9.00"), "2026-04-16")
        assert have("2026-04-15") is not None
        assert have("2026-04-16") is None


class TestGrantsOnTop:
    def test_they_move_along_with_what_is_left(self, calls):
        started = subscribe(entitling_plan(calls, amount=100))
        grant = give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50), priority=1)
        use("2026-04-20", 120)  # 100 that the plan issues, which is older, then 20 of the grant
        change(started, entitling_plan(calls, "starter", 300), "2026-05-16")
        use("2026-05-10", 10)
        assert have("2026-05-16") == (True, "330", "10", "320", "0")  # 300 and the 30 that were left of the grant
        assert [each.pk for each in carried_grants(current("2026-05-16"))] == [grant.pk]

    def test_one_made_after_a_change_was_scheduled_moves_along(self, calls):
        started = subscribe(entitling_plan(calls, amount=100))
        change(started, entitling_plan(calls, "starter", 300), "2026-04-02", timing="next_billing_cycle")
        give(current("2026-04-03"), "50", "2026-04-03", max_rollover=Decimal(50))
        assert have("2026-05-02") == (True, "350", "0", "350", "0")

    def test_one_that_is_voided_afterwards_counts_no_more(self, calls):
        started = subscribe(entitling_plan(calls, amount=100))
        grant = give(current("2026-04-01"), "50", "2026-04-01")
        change(started, entitling_plan(calls, "starter", 300), "2026-04-16")
        assert have("2026-04-17") == (True, "350", "0", "350", "0")
        with clock.frozen_at(at("2026-04-18")):
            void_grant(grant=grant)
        assert have("2026-04-19") == (True, "300", "0", "300", "0")

    def test_one_made_on_what_was_only_scheduled_stays_when_that_is_taken_back(self, calls):
        started = subscribe(entitling_plan(calls, amount=100))
        change(started, entitling_plan(calls, "starter", 300), "2026-04-02", timing="next_billing_cycle")
        give(current("2026-05-01"), "50", "2026-05-01")
        unscheduled(started, "2026-04-17")
        change(started, entitling_plan(calls, "pro", 700), "2026-04-18", timing="next_billing_cycle")
        assert have("2026-05-02") == (True, "750", "0", "750", "0")


class TestOtherChanges:
    def test_an_edit_keeps_the_usage_and_the_plan_and_lasts(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-09", 3)
        terms = terms_of_revision(ItemRevision.objects.select_related("item").get(item__key="calls"))
        template = {**(terms.entitlement_template or {}), "issueAfterReset": 550000}
        more = AddItem("phase_1", replace(terms, entitlement_template=template))
        edit(started, "2026-04-16", RemoveItem("phase_1", "calls"), more)
        assert rows() == [("free", "04-01", "04-16"), ("free", "04-16", None)]
        assert have("2026-04-16") == (True, "550000", "3", "549997", "0")
        assert have("2026-06-02") == (True, "550000", "0", "550000", "0")

    def test_a_pause_takes_access_away_and_resuming_goes_on_with_the_period(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-09", 3)
        do(pause_subscription, started, "2026-04-10")
        assert rows() == [("free", "04-01", "04-10")]
        assert have("2026-04-12") is None
        do(resume_subscription, started, "2026-04-20")
        assert rows() == [("free", "04-01", "04-10"), ("free", "04-20", None)]
        assert have("2026-04-20") == (True, "50000", "3", "49997", "0")

    def test_one_that_is_resumed_in_a_later_period_begins_with_all(self, calls):
        started = subscribe(entitling_plan(calls))
        use("2026-04-09", 3)
        do(pause_subscription, started, "2026-04-10")
        do(resume_subscription, started, "2026-05-20")
        assert have("2026-05-20") == (True, "50000", "0", "50000", "0")

    def test_it_ends_with_the_subscription_and_subscribing_again_starts_anew(self, calls):
        free = entitling_plan(calls)
        started = subscribe(free)
        use("2026-04-09", 3)
        do(cancel_subscription, started, "2026-04-10")
        assert have("2026-04-10") is None
        subscribe(free, "2026-04-12")
        assert have("2026-04-12") == (True, "50000", "0", "50000", "0")

    def test_a_planned_end_shows_and_is_taken_back(self, calls):
        started = subscribe(entitling_plan(calls))
        do(cancel_subscription, started, "2026-04-10", "next_billing_cycle")
        assert rows() == [("free", "04-01", "05-01")]
        unscheduled(started, "2026-04-11")
        assert rows() == [("free", "04-01", None)]

    def test_an_allowance_is_released_monthly_on_a_plan_billed_yearly(self, calls):
        yearly = flat_plan(
            "year", None, cards=(entitling_card(calls, 100), flat_card(billing_cadence="P1Y")), billing_cadence="P1Y"
        )
        subscribe(yearly)
        use("2026-04-09", 60)
        assert have("2026-04-30") == (True, "100", "60", "40", "0")
        assert have("2026-05-01") == (True, "100", "0", "100", "0")

    def test_boolean_and_static_ones_come_and_go_with_their_items(self, calls):
        started = subscribe(entitling_plan(calls, amount=None, type="boolean", usagePeriod=None))
        row = current("2026-04-02")
        assert (row.type, row.measure_usage_from) == ("boolean", None)
        change(started, entitling_plan(calls, "static", None, type="static", usagePeriod=None, config='{"seats": 5}'))
        assert current("2026-04-20").config == '{"seats": 5}'

    def test_each_of_an_addon_brings_its_allowance(self, calls):
        from_addon = entitling_card(calls, 100)
        started = subscribe(flat_plan("base", "9.00"))
        addon = AddOn.objects.create(
            key="more", name="More", currency="EUR", instance_type="multiple", effective_from=at("2020-01-01")
        )
        AddOnRateCard.objects.create(addon=addon, position=0, **from_addon)
        PlanAddOn.objects.create(plan=started.plan, addon=addon, from_plan_phase="phase_1")
        with clock.frozen_at(at("2026-04-10")):
            add_addon(subscription=started, addon=addon, quantity=2, timing="immediate")
        purchase = SubscriptionAddOn.objects.get()
        use("2026-04-12", 30)
        assert have("2026-04-13") == (True, "200", "30", "170", "0")
        with clock.frozen_at(at("2026-04-16")):
            change_addon_quantity(purchase=purchase, quantity=5, timing="immediate")
        assert have("2026-04-16") == (True, "500", "30", "470", "0")
        with clock.frozen_at(at("2026-04-20")):
            change_addon_quantity(purchase=purchase, quantity=0, timing="immediate")
        assert have("2026-04-20") is None


class TestWhoManages:
    def test_it_can_be_neither_deleted_nor_doubled_by_hand(self, calls):
        subscribe(entitling_plan(calls))
        with pytest.raises(EntitlementManaged, match=r"change .* edit"), clock.frozen_at(at("2026-04-02")):
            delete_entitlement(entitlement=current("2026-04-02"))
        with pytest.raises(EntitlementTaken):
            entitle(make_customer_again(), "2026-04-02")

    def test_a_subscription_is_refused_where_somebody_entitled_by_hand(self, calls):
        customer = make_customer()
        entitle(customer, "2026-04-01")
        with pytest.raises(EntitlementTaken, match="Delete it first"):
            subscribe(entitling_plan(calls), "2026-04-05", customer=customer, bill=False)
        assert not Subscription.objects.exists()

    def test_settling_again_writes_nothing_and_asks_little(self, calls):
        started = subscribe(entitling_plan(calls))
        change(started, entitling_plan(calls, "starter", 550000), "2026-04-16")
        with CaptureQueriesContext(connection) as queries:
            settle_entitlements(started.customer_id)
        assert not [query["sql"] for query in queries if not query["sql"].startswith("SELECT")]
        assert len(queries) <= 5

    def test_a_customer_whose_plans_entitle_to_nothing_costs_two_queries(self):
        started = subscribe(flat_plan("bare", "9.00"))
        with CaptureQueriesContext(connection) as queries:
            settle_entitlements(started.customer_id)
        assert len(queries) == 2


def make_customer_again():
    return Subscription.objects.get().customer
