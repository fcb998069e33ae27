"""A feature is entitled to once at a time: by plans, by edits, beside what somebody had by hand."""

from dataclasses import replace

import pytest

from core import clock
from core.errors import InvalidInput
from entitlements.access.delete_entitlement import delete_entitlement
from entitlements.access.settle_managed import unsettled
from entitlements.errors import EntitlementTaken
from entitlements.models import Entitlement
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from subscriptions.catalog.plan_selectors import checked_terms, terms_of_plan
from subscriptions.lifecycle.edits import AddItem, RemoveItem
from subscriptions.lifecycle.entitle import entitled_by_subscriptions, settle_entitlements
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.lifecycle.selectors import terms_of_revision
from subscriptions.models import ItemRevision
from tests.support.catalog import flat_plan, make_feature, make_meter
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, make_metered_feature
from tests.support.managed import current, entitling_card, entitling_plan, have, rows
from tests.support.subscriptions import do, edit, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(db):
    return make_metered_feature()


def faults(plan):
    with pytest.raises(InvalidInput) as refusal:
        checked_terms(terms_of_plan(plan))
    return [(problem.field, problem.code) for problem in refusal.value.problems]


def test_a_plan_entitles_to_a_feature_once_in_a_phase(calls):
    twice = flat_plan(
        "twice", None, cards=(entitling_card(calls, 100), {**entitling_card(calls, 50), "key": "more_calls"})
    )
    assert faults(twice) == [("phases.0.rateCards.1.entitlementTemplate", "duplicate")]


@pytest.mark.parametrize(("aggregation", "refused"), [("AVG", True), ("MIN", True), ("MAX", False), ("LATEST", False)])
def test_what_uses_nothing_up_is_not_entitled_to_by_amount(aggregation, refused):
    plan = entitling_plan(make_feature(key="calls", name="Calls", meter=make_meter(aggregation=aggregation)))
    if refused:
        assert faults(plan) == [("phases.0.rateCards.0.entitlementTemplate", "not_measurable")]
    else:
        checked_terms(terms_of_plan(plan))


def test_an_edit_is_refused_that_would_entitle_a_second_time(calls):
    started = subscribe(entitling_plan(calls), bill=False)
    terms = terms_of_revision(ItemRevision.objects.select_related("item").get(item__key="calls"))
    second = AddItem("phase_1", replace(terms, key="more_calls"))
    with pytest.raises(InvalidInput, match="calls entitles to calls already"):
        edit(started, "2026-04-16", second)
    assert rows() == [("free", "04-01", None)]
    edit(started, "2026-04-16", RemoveItem("phase_1", "calls"), second)
    assert rows() == [("free", "04-01", "04-16"), ("free", "04-16", None)]


def test_where_two_entitle_all_the_same_the_first_counts_and_the_subscription_can_end(calls):
    # As from before plans were refused for it.
    twice = flat_plan(
        "twice", None, cards=(entitling_card(calls, 100), {**entitling_card(calls, 50), "key": "more_calls"})
    )
    started = subscribe(twice, bill=False)
    assert have("2026-04-10") == (True, "100", "0", "100", "0")
    edit(started, "2026-04-16", RemoveItem("phase_1", "calls"))
    assert rows() == [("twice", "04-01", "04-16"), ("twice", "04-16", None)]
    assert have("2026-04-16") == (True, "50", "0", "50", "0")
    do(cancel_subscription, started, "2026-04-20")
    assert have("2026-04-20") is None


class TestByHand:
    def test_one_that_is_deleted_makes_room_and_keeps_its_time(self, calls):
        customer, free = make_customer(), entitling_plan(calls, amount=100)
        by_hand = entitle(customer, "2026-04-01")
        use("2026-04-05", 40)
        with pytest.raises(EntitlementTaken):
            subscribe(free, "2026-04-10", customer=customer, bill=False)
        with clock.frozen_at(at("2026-04-10")):
            delete_entitlement(entitlement=by_hand)
        use("2026-04-11", 3)
        # From the 1st on, said on the 12th.
        started = _backdated(customer, free, "2026-04-01", said="2026-04-12")
        assert rows() == [("free", "04-10", None)]
        assert have("2026-04-12") == (True, "100", "3", "97", "0")
        with clock.frozen_at(at("2026-04-12")):
            settle_entitlements(customer.pk)
            assert unsettled(entitled_by_subscriptions([customer.pk])) == {}
        do(cancel_subscription, started, "2026-04-20")
        assert rows() == [("free", "04-10", "04-20")]

    def test_what_comes_before_it_stays_on_both_sides(self, calls):
        customer = make_customer()
        by_hand = entitle(customer, "2026-04-08")
        with clock.frozen_at(at("2026-04-10")):
            delete_entitlement(entitlement=by_hand)
        use("2026-04-05", 40)
        use("2026-04-09", 50)
        use("2026-04-11", 3)
        _backdated(customer, entitling_plan(calls, amount=100), "2026-04-01", said="2026-04-12")
        assert rows() == [("free", "04-01", "04-08"), ("free", "04-10", None)]
        assert have("2026-04-07") == (True, "100", "40", "60", "0")
        assert have("2026-04-12") == (True, "100", "3", "97", "0")

    def test_one_to_another_feature_is_not_in_the_way(self, calls):
        customer = make_customer()
        make_feature(key="seats", name="Seats")
        entitle(customer, "2026-04-01", feature_key="seats", type="boolean", issue=None)
        subscribe(entitling_plan(calls), customer=customer, bill=False)
        assert Entitlement.objects.count() == 2
        assert current("2026-04-02").managed_in is not None


def _backdated(customer, plan, start, *, said):
    with clock.frozen_at(at(said)):
        return record_subscription(customer=customer, plan=plan, active_from=at(start))
