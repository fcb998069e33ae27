"""Each feature is one subscription's at a time, also where the first one is made to last longer afterwards."""

from datetime import timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from core import clock
from core.errors import Conflict
from core.ids import to_text
from core.locks import lock_customers
from core.periods import parse_duration
from entitlements.models import Feature
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.errors import FeatureAlreadySubscribed
from subscriptions.lifecycle import check_features as checking
from subscriptions.lifecycle import record_cancelation as canceling
from subscriptions.lifecycle.check_features import kept_by_database
from subscriptions.lifecycle.edits import AddItem, RemoveItem, RemovePhase, StretchPhase, UnscheduleEdit
from subscriptions.lifecycle.record_cancelation import record_cancelation
from subscriptions.lifecycle.record_report import record_report
from subscriptions.models import ItemRevision, PlanAddOn, Subscription, SubscriptionAddOn
from tests.services.test_addons import make_addon
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import invoices
from tests.support.subscriptions import change, do, edit, subscribe, unscheduled

pytestmark = pytest.mark.django_db

UNIT = {"type": "unit", "amount": "1.00"}


def calls_plan(key, *phases, **overrides):
    """A plan that bills `calls` at 1.00 each, reported, a month in arrears."""
    return make_plan(*phases, cards=None if phases else (calls_card(),), key=key, name=key.title(), **overrides)


def calls_card():
    feature = Feature.objects.filter(key="calls").first() or make_feature(key="calls", name="Calls")
    return usage_card(key="calls", name="Calls", feature=feature, price=UNIT)


def end(subscription, on, when):
    return do(cancel_subscription, subscription, on, timing=at(when))


def second_from(moment):
    """Another subscription that has `calls` from then on."""
    return subscribe(calls_plan("second"), moment, bill=False)


def refused(second, act):
    """`act` is refused, names `second`, and changes nothing."""
    before = list(ItemRevision.objects.order_by("pk").values_list("pk", "active_from", "active_to"))
    ends = list(Subscription.objects.order_by("pk").values_list("pk", "active_to"))
    with pytest.raises(Conflict, match=f"already has calls in subscription {to_text(second.pk)}") as refusal:
        act()
    assert (refusal.value.code, refusal.value.status) == ("feature_already_subscribed", 409)
    assert list(ItemRevision.objects.order_by("pk").values_list("pk", "active_from", "active_to")) == before
    assert list(Subscription.objects.order_by("pk").values_list("pk", "active_to")) == ends


@pytest.fixture
def first(db):
    """A subscription that has `calls` from 1 April on."""
    return subscribe(calls_plan("first"))


def test_usage_is_billed_once_where_a_second_subscription_takes_over(first):
    """5 units in May, after the first one's end: 5.00 by the second alone."""
    end(first, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-01")
    refused(second, lambda: unscheduled(first, "2026-04-20"))
    refused(second, lambda: unscheduled(first, "2026-04-20", preview=True))
    with clock.frozen_at(at("2026-05-10")):
        record_report(item=second.items.get(), quantity=Decimal(5))
    run("2026-06-01")
    assert [total for _, total, _ in invoices()] == ["5.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_an_end_is_put_off_up_to_the_second_one_and_no_further(first):
    end(first, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-16")
    refused(second, lambda: end(first, "2026-04-20", "2026-05-17"))
    end(first, "2026-04-20", "2026-05-16")
    end(first, "2026-04-21", "2026-05-10")
    assert Subscription.objects.get(pk=first.pk).active_to == at("2026-05-10")


def test_once_the_second_one_is_canceled_or_deleted_the_first_one_can_go_on(first):
    end(first, "2026-04-10", "2026-05-01")
    end(second_from("2026-05-01"), "2026-04-11", "2026-05-01")
    unscheduled(first, "2026-04-20")
    assert Subscription.objects.get(pk=first.pk).active_to is None


def test_a_change_that_is_taken_back_is_refused_where_another_one_has_the_feature(first):
    change(first, flat_plan("pro", "90.00"), "2026-04-10", timing="next_billing_cycle")
    second = second_from("2026-05-01")
    refused(second, lambda: unscheduled(first, "2026-04-20"))
    assert Subscription.objects.filter(previous=first).exists()


def test_a_change_to_a_plan_with_the_feature_is_refused(db):
    subscription = subscribe(flat_plan("basic", "30.00"))
    second = second_from("2026-05-01")
    refused(second, lambda: change(subscription, calls_plan("pro"), "2026-04-16"))


def phases():
    """`calls` for three months, then a fee alone."""
    plain = (flat_card(price=fee("10.00")),)
    return (
        {"key": "start", "duration": "P3M", "cards": (flat_card(price=fee("10.00")), calls_card())},
        {"key": "between", "duration": "P1M", "cards": plain},
        {"key": "later", "cards": plain},
    )


@pytest.mark.parametrize("operation", ["stretch", "remove"])
def test_a_phase_does_not_last_into_the_second_subscription(operation):
    subscription = subscribe(calls_plan("phased", *phases()))
    second = second_from("2026-07-01")
    edits = {"stretch": StretchPhase("start", parse_duration("P1M")), "remove": RemovePhase("between", "prev")}
    refused(second, lambda: edit(subscription, "2026-05-10", edits[operation]))


def test_a_phase_with_the_feature_does_not_move_up_into_the_second_subscription(db):
    plain = (flat_card(price=fee("10.00")),)
    plan = calls_plan(
        "phased",
        {"key": "start", "duration": "P3M", "cards": plain},
        {"key": "between", "duration": "P1M", "cards": plain},
        {"key": "later", "cards": (calls_card(),)},
    )
    subscription = subscribe(plan)
    month = {"key": "month", "duration": "P1M", "cards": (calls_card(),)}
    second = subscribe(calls_plan("short", month, {"key": "rest", "cards": plain}), "2026-06-15", bill=False)
    refused(second, lambda: edit(subscription, "2026-05-10", RemovePhase("between", "next")))


def test_an_edit_that_is_taken_back_is_refused(first):
    edit_later = {"timing": at("2026-05-01"), "edits": [RemoveItem("phase_1", "calls")]}
    do(edit_subscription, first, "2026-04-10", **edit_later)
    second = second_from("2026-05-01")
    refused(second, lambda: edit(first, "2026-04-20", UnscheduleEdit()))


def test_an_item_does_not_come_back_by_an_edit(first):
    edit(first, "2026-04-10", RemoveItem("phase_1", "calls"))
    second = second_from("2026-04-20")
    card = RateCardTerms(
        key="calls", name="Calls", type="usage_based", billing_cadence="P1M", price=UNIT, feature_key="calls"
    )
    refused(second, lambda: edit(first, "2026-04-25", AddItem("phase_1", card)))


@pytest.fixture
def bought(db):
    """The add-on Calls, bought on 1 April, which ends on 1 May."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    addon = make_addon(calls_card(), key="calls", name="Calls", instance_type="single")
    PlanAddOn.objects.create(plan=subscription.plan, addon=addon, from_plan_phase="phase_1")
    do(add_addon, subscription, "2026-04-01", addon=addon, quantity=1, timing="immediate")
    quantity_of(subscription, "2026-04-10", 0, "next_billing_cycle")
    return subscription


def quantity_of(subscription, on, quantity, timing="immediate"):
    with clock.frozen_at(at(on)):
        change_addon_quantity(
            purchase=SubscriptionAddOn.objects.get(subscription=subscription), quantity=quantity, timing=timing
        )


def test_an_addon_is_neither_kept_nor_bought_back(bought):
    second = second_from("2026-05-01")
    refused(second, lambda: quantity_of(bought, "2026-04-20", 1))
    refused(second, lambda: quantity_of(bought, "2026-04-20", 1, "next_billing_cycle"))
    run("2026-05-01")
    refused(second, lambda: quantity_of(bought, "2026-05-10", 1))


def test_an_addon_can_be_kept_where_nobody_else_has_its_feature(bought):
    quantity_of(bought, "2026-04-20", 1)
    assert ItemRevision.objects.filter(item__purchase__isnull=False, active_to=None).exists()


def test_an_addon_does_not_come_back_to_a_price_of_its_own_subscription(bought):
    run("2026-05-01")
    card = RateCardTerms(
        key="own_calls", name="Calls", type="usage_based", billing_cadence="P1M", price=UNIT, feature_key="calls"
    )
    edit(bought, "2026-05-05", AddItem("phase_1", card))
    with pytest.raises(Conflict, match=r"prices or grants features that Acme has already \(calls\)"):
        quantity_of(bought, "2026-05-10", 1)


def test_an_addon_of_a_canceled_subscription_is_bought_up_to_its_end(db):
    """The second one has the feature from that end on: they do not meet, and the end is not taken back."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    addon = make_addon(calls_card(), key="calls", name="Calls", instance_type="single")
    PlanAddOn.objects.create(plan=subscription.plan, addon=addon, from_plan_phase="phase_1")
    end(subscription, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-01")
    do(add_addon, subscription, "2026-04-16", addon=addon, quantity=1, timing="immediate")
    refused(second, lambda: unscheduled(subscription, "2026-04-20"))


def test_a_paused_subscription_keeps_its_features_and_is_resumed(first):
    do(pause_subscription, first, "2026-04-10", timing="immediate")
    with pytest.raises(Conflict, match="already has calls in subscription"):
        second_from("2026-04-20")
    do(resume_subscription, first, "2026-05-10", timing="immediate")
    assert_books_are_clean("2026-05-10T00:30")


def test_what_an_edit_removed_before_its_time_takes_no_feature(db):
    """A phase that never came stays in the database, without any time."""
    subscription = subscribe(calls_plan("phased", *phases()))
    edit(subscription, "2026-04-01", RemoveItem("start", "calls"))
    second_from("2026-04-01")


# The database


def longer(subscription):
    Subscription.objects.filter(pk=subscription.pk).update(active_to=None)


def test_the_database_refuses_more_time_for_a_subscription_and_for_an_item(first):
    end(first, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-01")
    with pytest.raises(IntegrityError, match=f"calls is that of subscription {second.pk}"), transaction.atomic():
        longer(first)
    with (
        pytest.raises(FeatureAlreadySubscribed, match=r"^Acme already has calls in subscription"),
        kept_by_database(),
        transaction.atomic(),
    ):
        longer(first)
    revisions = ItemRevision.objects.filter(item__subscription=second)
    with pytest.raises(IntegrityError, match=f"calls is that of subscription {first.pk}"), transaction.atomic():
        revisions.update(active_from=at("2026-04-30"))
        Subscription.objects.filter(pk=second.pk).update(active_from=at("2026-04-30"))
    item = second.items.get()
    item.subscription, item.running_number, item.key = first, 9, "other"
    Subscription.objects.filter(pk=first.pk).update(active_to=at("2026-04-20"))
    item.save()


def test_the_database_looks_at_the_end_of_the_transaction_where_it_is_asked_to(first):
    """Two ends can be exchanged in any order."""
    end(first, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-01")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        longer(first)
        Subscription.objects.filter(pk=second.pk).update(active_to=at("2026-05-01"))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert Subscription.objects.get(pk=first.pk).active_to is None


def test_what_slips_through_to_the_database_is_refused_in_the_same_words(first, monkeypatch):
    end(first, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-01")
    monkeypatch.setattr(canceling, "check_longer", lambda *args, **options: None)
    with clock.frozen_at(at("2026-04-20")):
        refused(second, lambda: record_cancelation(subscription=first, at=at("2026-06-01")))
    assert checking.CONSTRAINT == "one_subscription_per_feature"


@pytest.mark.django_db(transaction=True)
def test_two_writers_past_the_services_can_not_pass_each_other():
    """The trigger waits for whoever holds the customer's lock."""
    subscription = subscribe(calls_plan("first"))
    end(subscription, "2026-04-10", "2026-05-01")
    done = Event()

    def write():
        with transaction.atomic():
            longer(subscription)
        done.set()
        connection.close()

    thread = Thread(target=write)
    with transaction.atomic():
        lock_customers([subscription.customer_id])
        thread.start()
        assert not done.wait(timedelta(seconds=1).total_seconds())
    thread.join(timeout=10)
    assert done.is_set()


def test_the_books_list_what_two_subscriptions_had_before_the_database_refused_it(first):
    end(first, "2026-04-10", "2026-05-01")
    second = second_from("2026-05-01")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        longer(first)
        cursor.execute("SET LOCAL session_replication_role = origin")
    code, said = run_check(now="2026-04-20")
    assert code == 1
    assert f"it has calls from 2026-05-01 00:00:00 UTC on, at a time at which subscription {to_text(first.pk)}" in said
    # Such a pair is mended by canceling one of the two.
    end(second, "2026-04-20", "2026-05-01")
    assert_books_are_clean("2026-04-20")
