"""Add-ons with their money: bought, more of them, fewer, none, again (billing rules 2, 4 and 10)."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import BillingError, InvalidInput
from invoicing.closing.close_customers import close_customers
from invoicing.models import BilledWindow, CreditNote, InvoiceLine
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.update_item import update_item
from subscriptions.errors import AddOnNotBuyable
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import AddOn, AddOnRateCard, PlanAddOn, SubscriptionAddOn, SubscriptionItem
from tests.support.catalog import flat_card, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import close
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import totals

pytestmark = pytest.mark.django_db


def in_advance(amount):
    return {"type": "flat", "amount": amount, "paymentTerm": "in_advance"}


def make_addon(*cards, **overrides):
    """Support: 30.00 a month in advance, in any quantity."""
    values = {
        "key": "support",
        "name": "Support",
        "currency": "EUR",
        "instance_type": "multiple",
        "effective_from": at("2020-01-01"),
    }
    addon = AddOn.objects.create(**(values | overrides))
    cards = cards or (flat_card(key="support", name="Support", price=in_advance("30.00")),)
    AddOnRateCard.objects.bulk_create(
        AddOnRateCard(addon=addon, position=position, **card) for position, card in enumerate(cards)
    )
    return addon


@pytest.fixture
def subscription(db):
    """50.00 a month in advance from 1 April on, billed."""
    make_default_profile()
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(customer=customer, plan=make_plan(), active_from=at("2026-04-01"))
        close_customers([customer.id], as_of=at("2026-04-01"))
    return subscription


def offered(subscription, *cards, phase="phase_1", most=None, **overrides):
    addon = make_addon(*cards, **overrides)
    PlanAddOn.objects.create(plan=subscription.plan, addon=addon, from_plan_phase=phase, max_quantity=most)
    return addon


def buy(subscription, addon, on="2026-04-16", quantity=1, timing="immediate"):
    with clock.frozen_at(at(on)):
        add_addon(subscription=subscription, addon=addon, quantity=quantity, timing=timing)
    return SubscriptionAddOn.objects.get(subscription=subscription, addon=addon)


def change(purchase, on, quantity, timing="immediate"):
    with clock.frozen_at(at(on)):
        change_addon_quantity(purchase=purchase, quantity=quantity, timing=timing)


def test_an_addon_bought_in_mid_period_is_charged_for_the_rest_of_it_at_once(subscription):
    purchase = buy(subscription, offered(subscription), quantity=2)
    assert totals() == ["50.00", "30.00"]
    line = InvoiceLine.objects.get(invoice__number="INV-000002")
    assert (line.period_start, line.period_end) == (at("2026-04-16"), at("2026-05-01"))
    assert line.explain["basis"]["price"] == {"source": "addon", "addon": "support", "version": 1}
    item = purchase.items.get()
    assert (item.running_number, item.key) == (2, "support")
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "30.00", "110.00"]


def test_an_addon_for_the_next_cycle_costs_nothing_before_it(subscription):
    buy(subscription, offered(subscription), quantity=2, timing="next_billing_cycle")
    close(subscription.customer, "2026-04-20")
    assert totals() == ["50.00"]
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "110.00"]


def test_more_of_an_addon_is_charged_for_the_rest_of_the_period(subscription):
    purchase = buy(subscription, offered(subscription), on="2026-04-01T00:00:01")
    change(purchase, "2026-04-16", 3)
    # 2 x 30.00 x 15/30
    assert totals()[-1] == "30.00"
    close(subscription.customer, "2026-05-01")
    assert totals()[-1] == "140.00"


def test_none_of_an_addon_gives_back_what_was_not_used(subscription):
    purchase = buy(subscription, offered(subscription), quantity=2)
    change(purchase, "2026-04-26", 0)
    # Billed 2 x 30.00 x 15/30 = 30.00; 5 of the 15 days are left.
    note = CreditNote.objects.get()
    assert (str(note.total), note.invoice.number) == ("10.00", "INV-000002")
    window = BilledWindow.objects.get(item=purchase.items.get())
    assert (window.span.lower, window.span.upper) == (at("2026-04-16"), at("2026-04-26"))
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "30.00", "50.00"]


def test_an_addon_that_ends_with_the_cycle_gives_nothing_back(subscription):
    purchase = buy(subscription, offered(subscription))
    change(purchase, "2026-04-20", 0, timing="next_billing_cycle")
    close(subscription.customer, "2026-05-01")
    close(subscription.customer, "2026-06-01")
    assert totals() == ["50.00", "15.00", "50.00", "50.00"]
    assert not CreditNote.objects.exists()


def test_an_end_that_was_planned_is_taken_back_by_another_quantity(subscription):
    purchase = buy(subscription, offered(subscription))
    change(purchase, "2026-04-18", 0, timing="next_billing_cycle")
    change(purchase, "2026-04-20", 1)
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "15.00", "80.00"]
    assert not purchase.quantities.filter(quantity=0).exists()


def test_an_addon_can_come_back_under_its_running_number(subscription):
    purchase = buy(subscription, offered(subscription), quantity=2)
    change(purchase, "2026-04-26", 0)
    change(purchase, "2026-05-16", 1)
    close(subscription.customer, "2026-06-01")
    # 1 x 30.00 x 16/31 = 15.48, on the bill of 16 May with the fee of May that was still open; then 50.00 + 30.00.
    assert totals() == ["50.00", "30.00", "50.00", "15.48", "80.00"]
    assert list(SubscriptionItem.objects.values_list("running_number", "key")) == [(1, "base"), (2, "support")]


def test_fewer_in_mid_period_is_refused_and_at_the_next_cycle_counts_from_then(subscription):
    purchase = buy(subscription, offered(subscription), quantity=3)
    with pytest.raises(InvalidInput, match="Use next_billing_cycle"):
        change(purchase, "2026-04-20", 1)
    assert [row.quantity for row in purchase.quantities.all()] == [3]
    change(purchase, "2026-04-20", 1, timing="next_billing_cycle")
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "45.00", "80.00"]


def test_a_fee_of_once_and_a_price_of_usage_are_items_of_their_own(subscription):
    addon = offered(
        subscription,
        flat_card(key="setup", name="Set-up", billing_cadence=None, price=in_advance("99.00")),
        usage_card(key="calls", name="Calls", feature=make_feature(key="calls"), price={"type": "unit", "amount": "1"}),
        key="phone",
        instance_type="single",
    )
    purchase = buy(subscription, addon)
    assert [item.running_number for item in purchase.items.order_by("running_number")] == [2, 3]
    assert totals() == ["50.00", "99.00"]


def test_the_same_change_twice_changes_nothing(subscription):
    purchase = buy(subscription, offered(subscription))
    change(purchase, "2026-04-20", 2)
    before = totals()
    change(purchase, "2026-04-20", 2)
    assert totals() == before
    assert purchase.quantities.count() == 2


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ((flat_card(key="base", name="Another base"),), "keys of items that Storage has already"),
        (
            (flat_card(key="more", name="More", price=in_advance("1.00"), entitlement_template={"type": "boolean"}),),
            "prices or grants features that Acme has already",
        ),
    ],
)
def test_prices_of_one_key_or_feature_are_not_merged(db, cards, said):
    make_default_profile()
    feature = make_feature(key="storage")
    plan = make_plan(cards=(flat_card(), usage_card(feature=feature)))
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(customer=make_customer(), plan=plan, active_from=at("2026-04-01"))
    cards = [{**card, "feature": feature} if card["key"] == "more" else card for card in cards]
    with pytest.raises(AddOnNotBuyable, match=said):
        buy(subscription, offered(subscription, *cards))
    assert not SubscriptionAddOn.objects.exists()
    assert SubscriptionItem.objects.count() == 2


def test_what_the_plan_does_not_offer_can_not_be_bought(subscription):
    with pytest.raises(InvalidInput, match="does not offer"):
        buy(subscription, make_addon())
    with pytest.raises(InvalidInput, match="is not on sale"):
        buy(subscription, offered(subscription, key="draft", effective_from=None))
    with pytest.raises(InvalidInput, match="at most 2"):
        buy(subscription, offered(subscription, key="few", most=2), quantity=3)
    with pytest.raises(InvalidInput, match="is single"):
        buy(subscription, offered(subscription, key="one", instance_type="single"), quantity=2)
    with pytest.raises(InvalidInput, match="at least 1"):
        buy(subscription, offered(subscription, key="none"), quantity=0)
    assert not SubscriptionAddOn.objects.exists()
    assert totals() == ["50.00"]


def test_an_addon_is_bought_once_and_its_quantity_changed_after_that(subscription):
    addon = offered(subscription)
    buy(subscription, addon)
    with pytest.raises(AddOnNotBuyable, match="Change the quantity of that purchase"):
        buy(subscription, addon, on="2026-04-17")
    assert totals() == ["50.00", "15.00"]


def test_an_addon_waits_for_the_phase_from_which_on_it_is_sold(db):
    make_default_profile()
    plan = make_plan({"key": "trial", "duration": "P1M", "cards": ()}, {"key": "paid", "cards": (flat_card(),)})
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(customer=make_customer(), plan=plan, active_from=at("2026-04-01"))
    addon = offered(subscription, phase="paid")
    with pytest.raises(InvalidInput, match="from the phase paid on, which begins on 2026-05-01"):
        buy(subscription, addon)
    buy(subscription, addon, timing="next_billing_cycle")
    close(subscription.customer, "2026-05-01")
    assert totals() == ["80.00"]


def test_a_second_close_writes_nothing_and_the_quantity_is_read_at_a_time(subscription):
    purchase = buy(subscription, offered(subscription), quantity=2)
    close(subscription.customer, "2026-05-01")
    before = list(InvoiceLine.objects.order_by("pk").values())
    close(subscription.customer, "2026-05-01")
    assert list(InvoiceLine.objects.order_by("pk").values()) == before
    assert purchase.quantity_at(at("2026-04-15")) == 0
    assert purchase.quantity_at(at("2026-04-16")) == Decimal(2)


def test_nothing_of_an_addon_changes_before_it_was_bought(subscription):
    purchase = buy(subscription, offered(subscription))
    with pytest.raises(BillingError):
        change(purchase, "2026-04-20", 2, timing=at("2026-04-10"))
    assert purchase.quantities.count() == 1


def test_the_quantity_of_an_addon_is_not_changed_by_its_item(subscription):
    purchase = buy(subscription, offered(subscription), quantity=2)
    number = purchase.items.get().running_number
    with clock.frozen_at(at("2026-04-20")), pytest.raises(InvalidInput, match="belongs to the add-on Support"):
        update_item(
            subscription_id=subscription.pk,
            running_number=number,
            update=ItemUpdate(product_id="support", quantity=Decimal(5)),
        )
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "30.00", "110.00"]
