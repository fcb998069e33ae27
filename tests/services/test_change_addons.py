"""Add-ons over a change of plan: what the new plan sells, too, stays; what it does not sell ends (billing rules 10)."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.migrate_subscription import migrate_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.catalog.plan_selectors import terms_of_plan
from subscriptions.lifecycle.record_report import record_report
from subscriptions.models import Plan, PlanAddOn, Subscription, SubscriptionAddOn
from tests.services.test_addons import buy, make_addon
from tests.services.test_addons import change as change_quantity
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import lines, totals
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def basic(db):
    """Basic, 30.00 a month from 1 April on, billed."""
    return subscribe(flat_plan("basic", "30.00"))


@pytest.fixture
def pro(db):
    """Pro, 90.00 a month."""
    return flat_plan("pro", "90.00")


def sell(addon, *plans, phase="phase_1"):
    for plan in plans:
        PlanAddOn.objects.create(plan=plan, addon=addon, from_plan_phase=phase)
    return addon


def had(subscription, on):
    """What the subscription has of add-ons on that day, by name."""
    return {
        purchase.name: purchase.quantity_at(at(on))
        for purchase in SubscriptionAddOn.objects.filter(subscription=subscription)
    }


def ended(result):
    return [(addon.name, addon.quantity) for addon in result.ended_addons]


def test_an_addon_that_the_new_plan_sells_too_stays_with_its_quantity(basic, pro):
    """Two of Support at 30.00 from 1 April; on the 16th to Pro: 30.00 of Support come back and are charged again."""
    buy(basic, sell(make_addon(), basic.plan, pro), "2026-04-01", quantity=2)
    preview = change(basic, pro, preview=True)
    result = change(basic, pro)
    assert (ended(preview), ended(result)) == ([], [])
    assert had(result.successor, "2026-04-16") == {"Support": 2}
    assert lines(result.invoice_ids[0]) == [
        ("Pro fee", "45.00"),
        ("Support", "30.00"),
        ("Unused part: Basic fee", "-15.00"),
        ("Unused part: Support", "-30.00"),
    ]
    run("2026-05-01")
    assert totals() == ["30.00", "60.00", "30.00", "150.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_an_addon_that_the_new_plan_does_not_sell_ends_and_the_preview_says_so(basic, pro):
    buy(basic, sell(make_addon(), basic.plan), "2026-04-01", quantity=2)
    preview = change(basic, pro, preview=True)
    assert ended(preview) == [("Support", 2)]
    assert had(basic, "2026-04-16") == {"Support": 2}
    result = change(basic, pro)
    assert (ended(result), had(result.successor, "2026-04-16")) == ([("Support", 2)], {})
    run("2026-05-01")
    assert totals() == ["30.00", "60.00", "0.00", "90.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_an_addon_stays_over_a_migration_by_the_version_that_the_new_one_sells(basic):
    """Support v2 at 40.00 is what the new version of Basic sells; from the next cycle on it is charged."""
    old = sell(make_addon(effective_to=at("2026-04-10")), basic.plan)
    with clock.frozen_at(at("2026-04-01")):
        buy(basic, old, "2026-04-01")
    Plan.objects.filter(pk=basic.plan_id).update(effective_to=at("2026-04-10"))
    target = make_plan(
        cards=(flat_card(name="Basic fee", price=fee("30.00")),),
        key="basic",
        name="Basic",
        version=2,
        effective_from=at("2026-04-10"),
    )
    card = flat_card(key="support", name="Support", price=fee("40.00"))
    sell(make_addon(card, version=2, effective_from=at("2026-04-10")), target)
    with clock.frozen_at(at("2026-04-16")):
        result = migrate_subscription(subscription=Subscription.objects.get(pk=basic.pk), timing="next_billing_cycle")
    assert (ended(result), had(result.successor, "2026-05-01")) == ([], {"Support": 1})
    run("2026-05-01")
    assert totals() == ["30.00", "30.00", "70.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_of_two_versions_that_the_new_plan_sells_the_newer_one_stays(basic, pro):
    """Version 1 at 30.00 was bought on 1 April. Pro sells 2 at 40.00 and 3 at 60.00: in May 90.00 + 60.00."""
    buy(basic, sell(make_addon(effective_to=at("2026-04-10")), basic.plan), "2026-04-01")
    third = make_addon(
        flat_card(key="support", name="Support", price=fee("60.00")), version=3, effective_from=at("2026-04-12")
    )
    second = make_addon(
        flat_card(key="support", name="Support", price=fee("40.00")),
        version=2,
        effective_from=at("2026-04-10"),
        effective_to=at("2026-04-12"),
    )
    sell(third, pro)
    sell(second, pro)
    change(basic, pro, timing="next_billing_cycle")
    run("2026-05-01")
    assert totals()[-1] == "150.00"


def test_the_usage_of_an_addon_counts_on(basic, pro):
    """30 of the free 50 before the change, 40 after it, no meter: 20 are charged at 1.00 each at the end of April."""
    card = usage_card(
        key="calls",
        name="Calls",
        feature=make_feature(key="calls"),
        price={"type": "unit", "amount": "1.00"},
        discounts={"usage": {"quantity": "50"}},
    )
    addon = sell(make_addon(card, instance_type="single"), basic.plan, pro)
    buy(basic, addon, "2026-04-01")
    successor = change(basic, pro).successor
    with clock.frozen_at(at("2026-04-20")):
        record_report(item=successor.items.get(key="calls"), quantity=Decimal(70))
    run("2026-05-01")
    assert totals()[-1] == "110.00"
    assert_books_are_clean("2026-05-01T00:30")


def test_a_set_up_fee_of_an_addon_that_stays_is_charged_once(basic, pro):
    cards = (
        flat_card(key="phone_setup", name="Phone set-up", billing_cadence=None, price=fee("99.00")),
        flat_card(key="phone", name="Phone", price=fee("10.00")),
    )
    buy(basic, sell(make_addon(*cards, key="phone", name="Phone"), basic.plan, pro), "2026-04-01")
    result = change(basic, pro)
    run("2026-05-01")
    assert ("Phone set-up", "99.00") not in lines(result.invoice_ids[0])
    # 30.00; 99.00 and 10.00; 45.00 and 5.00 less 15.00 and 5.00; 90.00 and 10.00.
    assert totals() == ["30.00", "109.00", "30.00", "100.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_planned_end_stays_planned(basic, pro):
    addon = sell(make_addon(), basic.plan, pro)
    purchase = buy(basic, addon, "2026-04-01", quantity=2)
    change_quantity(purchase, "2026-04-10", 0, timing="next_billing_cycle")
    result = change(basic, pro)
    assert had(result.successor, "2026-04-30") == {"Support": 2}
    assert had(result.successor, "2026-05-01") == {"Support": 0}
    run("2026-05-01")
    assert totals()[-1] == "90.00"
    assert_books_are_clean("2026-05-01T00:30")


def test_an_addon_that_has_ended_neither_stays_nor_ends_again(basic, pro):
    purchase = buy(basic, sell(make_addon(), basic.plan), "2026-04-01")
    change_quantity(purchase, "2026-04-10", 0)
    result = change(basic, pro)
    assert (ended(result), had(result.successor, "2026-05-01")) == ([], {})


def test_what_the_new_plan_prices_itself_is_no_addon_any_more(basic):
    """Pro has a Support of its own: the two are not merged, the add-on ends."""
    own = (flat_card(name="Pro fee", price=fee("90.00")), flat_card(key="support", name="Care", price=fee("5.00")))
    pro = make_plan(cards=own, key="pro", name="Pro")
    buy(basic, sell(make_addon(), basic.plan, pro), "2026-04-01")
    result = change(basic, pro)
    assert ended(result) == [("Support", 1)]
    assert_books_are_clean("2026-04-16T00:30")


def test_an_addon_ends_where_the_new_plan_prices_its_feature_under_another_key(basic):
    """Pro bills the calls by an item of its own: with the add-on beside it, they would be billed twice."""
    calls = make_feature(key="calls")
    price = {"type": "unit", "amount": "1.00"}
    addon = make_addon(
        usage_card(key="calls", name="Calls", feature=calls, price=price), name="Calls", instance_type="single"
    )
    own = usage_card(key="own_calls", name="Own calls", feature=calls, price=price)
    pro = make_plan(cards=(flat_card(name="Pro fee", price=fee("90.00")), own), key="pro", name="Pro")
    buy(basic, sell(addon, basic.plan, pro), "2026-04-01")
    result = change(basic, pro)
    assert (ended(result), had(result.successor, "2026-04-16")) == ([("Calls", 1)], {})


def test_an_addon_that_is_sold_in_a_later_phase_only_ends(basic):
    first = {"key": "trial", "duration": "P1M", "cards": (flat_card(price=fee("0.00")),)}
    pro = make_plan(first, {"key": "paid", "cards": (flat_card(),)}, key="pro", name="Pro")
    addon = sell(make_addon(), basic.plan)
    sell(addon, pro, phase="paid")
    buy(basic, addon, "2026-04-01")
    assert ended(change(basic, pro)) == [("Support", 1)]


def test_a_change_that_is_taken_back_leaves_the_addon_where_it_was(basic, pro):
    buy(basic, sell(make_addon(), basic.plan, pro), "2026-04-01", quantity=2)
    change(basic, pro, timing="next_billing_cycle")
    with clock.frozen_at(at("2026-04-20")):
        unschedule_cancelation(subscription=Subscription.objects.get(pk=basic.pk))
    assert list(SubscriptionAddOn.objects.values_list("subscription_id", flat=True)) == [basic.pk]
    run("2026-05-01")
    assert totals() == ["30.00", "60.00", "90.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_on_terms_of_their_own_no_addon_is_sold(basic):
    buy(basic, sell(make_addon(), basic.plan), "2026-04-01")
    other = flat_plan("pro", "90.00")
    with clock.frozen_at(at("2026-04-16")):
        result = change_plan(
            subscription=Subscription.objects.get(pk=basic.pk), timing="immediate", custom_plan=terms_of_plan(other)
        )
    assert ended(result) == [("Support", 1)]
