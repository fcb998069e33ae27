"""What staff did to an entitlement outlasts a change of its terms: resets, the anchor they moved, grants on top."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core import clock
from core.ids import new_id
from core.periods import Period
from entitlements.access.balances import burndowns_of
from entitlements.access.chains import carried_grants
from entitlements.access.history import history_of
from entitlements.access.reset_usage import reset_usage
from entitlements.access.selectors import entitlements_with_facts
from entitlements.access.void_grant import void_grant
from entitlements.errors import BadGrant, BadReset
from entitlements.models import BalanceSnapshot, Entitlement, Grant, Meter
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from tests.support.clock import at
from tests.support.entitlements import give, make_metered_feature, value
from tests.support.managed import current, entitling_plan, have, rows
from tests.support.subscriptions import change, do, subscribe, unscheduled
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(db):
    return make_metered_feature()


@pytest.fixture
def started(calls):
    """100 calls a month from 1 April."""
    return subscribe(entitling_plan(calls, amount=100), bill=False)


@pytest.fixture
def starter(calls):
    """300 calls a month."""
    return entitling_plan(calls, "starter", 300)


def reset(on, **options):
    with clock.frozen_at(at(on)):
        return reset_usage(entitlement=current(on), **options)


class TestResets:
    def test_overage_that_staff_kept_at_a_reset_is_still_owed_after_a_change(self, started, starter):
        use("2026-04-05", 120)
        reset("2026-04-10", retain_anchor=True, preserve_overage=True)
        assert have("2026-04-15") == (True, "100", "0", "80", "0")
        change(started, starter, "2026-04-16")
        assert have("2026-04-16") == (True, "300", "0", "280", "0")

    def test_overage_that_staff_forgave_stays_forgiven(self, calls, started):
        kept = entitling_plan(calls, "kept", 100, preserveOverageAtReset=True)
        started = change(started, kept, "2026-04-01").successor
        use("2026-04-05", 120)
        reset("2026-04-10", retain_anchor=True, preserve_overage=False)
        change(started, entitling_plan(calls, "more", 300, preserveOverageAtReset=True), "2026-04-16")
        assert have("2026-04-16") == (True, "300", "0", "300", "0")

    def test_each_plan_says_for_its_own_time_whether_a_reset_keeps_the_overage(self, calls):
        keeping = entitling_plan(calls, "keeping", 100, preserveOverageAtReset=True)
        started = subscribe(keeping, bill=False)
        use("2026-04-05", 120)  # 20 over, kept on 1 May: 80 left
        use("2026-05-05", 90)  # 10 over
        change(started, entitling_plan(calls, "other", 300), "2026-05-16")
        # 90 of May and the 20 of April, of 300.
        assert have("2026-05-16") == (True, "300", "90", "190", "0")
        use("2026-05-20", 200)  # 10 over, forgiven on 1 June by the plan of now
        assert have("2026-06-01") == (True, "300", "0", "300", "0")

    def test_the_anchor_that_staff_moved_stays(self, started, starter):
        reset("2026-04-10")
        use("2026-04-12", 30)
        later = change(started, starter, "2026-04-16").successor
        assert have("2026-05-09") == (True, "300", "30", "270", "0")
        assert have("2026-05-10") == (True, "300", "0", "300", "0")
        use("2026-05-12", 7)
        change(later, started.plan, "2026-06-05")
        assert have("2026-06-09") == (True, "100", "7", "93", "0")
        assert have("2026-06-10") == (True, "100", "0", "100", "0")

    def test_also_where_the_change_comes_at_the_boundary_of_before(self, started, starter):
        reset("2026-04-10")
        use("2026-04-12", 30)
        change(started, starter, "2026-04-16", timing="next_billing_cycle")
        assert have("2026-05-01") == (True, "300", "30", "270", "0")
        assert have("2026-05-10") == (True, "300", "0", "300", "0")

    def test_a_plan_with_other_usage_periods_has_its_own(self, calls, started):
        reset("2026-04-10")
        use("2026-04-14", 30)
        change(started, entitling_plan(calls, "weekly", 300, usagePeriod="P1W"), "2026-04-16")
        # Weeks from 1 April on: the 15th, the 22nd. What was used before the week began is over.
        assert have("2026-04-16") == (True, "300", "0", "300", "0")
        use("2026-04-17", 5)
        assert have("2026-04-21") == (True, "300", "5", "295", "0")
        assert have("2026-04-22") == (True, "300", "0", "300", "0")

    def test_nor_does_it_count_what_staff_reset_before(self, calls, started):
        use("2026-04-05", 50)
        reset("2026-04-10", retain_anchor=True)
        use("2026-04-12", 3)
        change(started, entitling_plan(calls, "yearly", 300, usagePeriod="P1Y"), "2026-04-16")
        assert have("2026-04-16") == (True, "300", "3", "297", "0")

    def test_nor_what_came_before_a_boundary_that_staff_moved(self, calls, started):
        reset("2026-04-10")
        use("2026-05-05", 50)
        use("2026-05-11", 3)
        change(started, entitling_plan(calls, "yearly", 300, usagePeriod="P1Y"), "2026-05-12")
        assert have("2026-05-12") == (True, "300", "3", "297", "0")

    def test_a_change_in_the_past_loses_no_reset(self, started, starter):
        use("2026-04-03", 50)
        reset("2026-04-10", retain_anchor=True)
        use("2026-04-12", 3)
        change(started, starter, "2026-04-16", timing=at("2026-04-06"))
        assert rows() == [("free", "04-01", "04-06"), ("starter", "04-06", None)]
        assert have("2026-04-08") == (True, "300", "50", "250", "0")
        assert have("2026-04-16") == (True, "300", "3", "297", "0")

    def test_a_reset_after_a_change_begins_no_earlier_than_the_one_before_it(self, started, starter):
        reset("2026-04-10")
        change(started, starter, "2026-04-16")
        with pytest.raises(BadReset), clock.frozen_at(at("2026-04-20")):
            reset_usage(entitlement=current("2026-04-20"), effective_at=at("2026-04-15"))
        use("2026-04-17", 8)
        reset("2026-04-20", retain_anchor=True)
        assert have("2026-04-21") == (True, "300", "0", "300", "0")
        use("2026-04-22", 1)
        assert have("2026-05-09") == (True, "300", "1", "299", "0")
        assert have("2026-05-10") == (True, "300", "0", "300", "0")


class TestGrants:
    def test_a_change_that_resets_usage_rolls_them_over_as_a_reset_does(self, started, starter):
        give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50))
        give(current("2026-04-01"), "10", "2026-04-01")  # which no reset keeps
        use("2026-04-05", 120)
        change(started, starter, "2026-04-16", usage="reset")
        # 20 of the 50 are used; the issued 100 and the 10 end with the usage period.
        assert have("2026-04-16") == (True, "330", "0", "330", "0")
        use("2026-04-17", 5)
        assert have("2026-05-01") == (True, "330", "0", "330", "0")

    def test_one_with_usage_reset_that_is_taken_back_is_as_if_it_had_never_been_said(self, started, starter):
        give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50))
        use("2026-04-05", 120)
        before = [have(f"2026-{day}") for day in ("04-16", "05-02", "06-02")]
        change(started, starter, "2026-04-16", timing="next_billing_cycle", usage="reset")
        unscheduled(started, "2026-04-17")
        assert [have(f"2026-{day}") for day in ("04-16", "05-02", "06-02")] == before

    def test_they_are_voided_within_the_usage_period_that_counts_now(self, started, starter):
        grant = give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50))
        change(started, starter, "2026-04-16")
        reset("2026-04-20")
        with clock.frozen_at(at("2026-04-25")):
            with pytest.raises(BadGrant, match="2026-04-20"):
                void_grant(grant=grant, at=at("2026-04-18"))
            void_grant(grant=grant, at=at("2026-04-21"))
        assert have("2026-04-20")[1] == "350"
        assert have("2026-04-21")[1] == "300"

    def test_one_that_recurs_goes_on_over_a_change_and_a_pause(self, started, starter):
        give(current("2026-04-01"), "10", "2026-04-01", max_rollover=Decimal(10), recurrence=("P1W", None))
        use("2026-04-02", 104)  # 4 of the 10
        assert have("2026-04-07")[3] == "6"
        started = change(started, starter, "2026-04-07").successor
        assert have("2026-04-08") == (True, "310", "104", "206", "0")  # the 300 first
        do(pause_subscription, started, "2026-04-09")
        do(resume_subscription, started, "2026-04-20")
        assert have("2026-04-20")[3] == "206"
        use("2026-04-20T12:00", 200)  # 196 of the 300, 4 of the 10
        assert have("2026-04-21")[3] == "6"
        assert have("2026-04-22")[3] == "10"

    def test_they_burn_in_the_order_of_before(self, calls, started, starter):
        grant = give(current("2026-04-01"), "50", "2026-04-02", max_rollover=Decimal(50))
        use("2026-04-05", 3)  # of what the plan issues, which is older
        started = change(started, starter, "2026-04-16").successor
        assert value(current("2026-04-16"), "2026-04-16").grants[grant.pk] == 50
        change(started, entitling_plan(calls, "none", 2), "2026-04-17")
        assert value(current("2026-04-17"), "2026-04-17").grants[grant.pk] == 49

    @pytest.mark.parametrize(("first", "then"), [("reset", "preserve"), ("preserve", "reset")])
    def test_a_reset_by_one_of_two_changes_at_a_moment_holds(self, calls, started, starter, first, then):
        use("2026-04-05", 40)
        second = change(started, entitling_plan(calls, "pro", 700), "2026-04-16", usage=first)
        change(second.successor, starter, "2026-04-16", usage=then)
        assert have("2026-04-16") == (True, "300", "0", "300", "0")

    def test_what_replaced_a_plan_for_no_time_has_no_grants_of_its_plan(self, calls, started, starter):
        second = change(started, entitling_plan(calls, "pro", 700), "2026-04-16")
        change(second.successor, starter, "2026-04-16")
        assert have("2026-04-16") == (True, "300", "0", "300", "0")
        assert carried_grants(current("2026-04-16")) == []


def test_terms_that_were_edited_a_thousand_times_have_a_balance(started):
    first = Entitlement.objects.get()
    values = {field.attname: getattr(first, field.attname) for field in Entitlement._meta.concrete_fields}
    edits, last = [], first
    for number in range(1, 1100):
        begins, ends = first.active_from + timedelta(minutes=number), None
        if number < 1099:
            ends = begins + timedelta(minutes=1)
        span = {"active_from": begins, "active_to": ends}
        last = Entitlement(**values | span | {"id": new_id(), "continues_id": last.pk})
        edits.append(last)
    Entitlement.objects.filter(pk=first.pk).update(active_to=first.active_from + timedelta(minutes=1))
    Entitlement.objects.bulk_create(edits)
    Grant.objects.bulk_create(
        Grant(entitlement=each, amount=100, effective_at=first.active_from, issued=True) for each in edits
    )
    use("2026-04-01T00:00:30", 3)
    assert have("2026-04-02") == (True, "100", "3", "97", "0")


def test_a_ring_of_entitlements_ends(started, starter):
    change(started, starter, "2026-04-16")
    later = current("2026-04-16")
    Entitlement.objects.filter(active_to=at("2026-04-16")).update(continues=later)
    assert have("2026-04-16") == (True, "300", "0", "300", "0")


class TestTermsWithoutALimit:
    """A plan in between that says yes, however much (billing rules 9: one-off grants move along)."""

    @pytest.fixture
    def boolean(self, calls):
        return entitling_plan(calls, "unlimited", None, type="boolean", usagePeriod=None)

    def test_grants_move_along_with_what_was_left_of_them(self, started, starter, boolean):
        grant = give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50))
        use("2026-04-05", 120)  # 20 of the 50
        free = change(started, boolean, "2026-04-10").successor
        use("2026-04-12", 1000)
        assert value(current("2026-04-14"), "2026-04-14").has_access
        change(free, starter, "2026-04-16")
        # The period goes on, with the 120 of before; the thousand were free. 20 are of the grant, as before.
        assert have("2026-04-16") == (True, "350", "120", "230", "0")
        assert value(current("2026-04-16"), "2026-04-16").grants[grant.pk] == 50
        assert [each.pk for each in carried_grants(current("2026-04-16"))] == [grant.pk]
        use("2026-04-17", 240)
        assert have("2026-04-18") == (False, "350", "360", "0", "10")
        assert have("2026-05-01") == (True, "300", "0", "300", "0")

    def test_over_a_boundary_a_period_begins_anew(self, started, starter, boolean):
        give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(40))
        use("2026-04-05", 120)
        free = change(started, boolean, "2026-04-10").successor
        use("2026-05-12", 1000)
        use("2026-06-02", 1000)
        change(free, starter, "2026-06-16")
        use("2026-06-17", 7)
        # Of the 30 that were left, each of both resets kept as much.
        assert have("2026-06-18") == (True, "330", "7", "323", "0")

    def test_a_change_that_resets_usage_on_the_way_resets_it(self, started, starter, boolean):
        use("2026-04-05", 20)
        free = change(started, boolean, "2026-04-10", usage="reset").successor
        change(free, starter, "2026-04-16")
        assert have("2026-04-16") == (True, "300", "0", "300", "0")

    def test_of_a_highest_value_what_came_meanwhile_is_free(self, calls, started, starter, boolean):
        Meter.objects.update(aggregation="MAX")
        use("2026-04-05", 20)
        free = change(started, boolean, "2026-04-10").successor
        use("2026-04-12", 90)
        change(free, starter, "2026-04-16")
        assert have("2026-04-16")[2:4] == ("20", "280")
        use("2026-04-17", 95)
        assert have("2026-04-18")[2:4] == ("25", "275")

    def test_history_tells_it_apart(self, started, starter, boolean):
        use("2026-04-05", 20)
        free = change(started, boolean, "2026-04-10").successor
        use("2026-04-12", 1000)
        change(free, starter, "2026-04-16")
        use("2026-04-17", 7)
        [burndown] = burndowns_of(entitlements_with_facts().filter(pk=current("2026-04-18").pk))
        found = history_of(burndown, Period(at("2026-04-01"), at("2026-04-18")), "DAY", "UTC")
        assert [(f"{each.period.start:%m-%d}", each.usage) for each in found.windows] == [("04-05", 20), ("04-17", 7)]

    def test_a_snapshot_of_a_reset_meanwhile_stays_right(self, started, starter, boolean):
        use("2026-04-05", 20)
        free = change(started, boolean, "2026-04-10").successor
        change(free, starter, "2026-06-16")
        assert have("2026-06-18") == (True, "300", "0", "300", "0")
        use("2026-05-05", 5000)
        assert have("2026-06-18") == (True, "300", "0", "300", "0")
        assert BalanceSnapshot.objects.count() == 1
