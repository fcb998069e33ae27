"""Usage across a change of plan: preserved by default, anew with reset (billing rules 10)."""

from decimal import Decimal
from typing import Any

import pytest

from core import clock
from entitlements.models import UsageEvent
from invoicing.models import InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_report import record_report
from subscriptions.models import Subscription, SubscriptionItem
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import lines, money
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db

GRADUATED = {
    "type": "tiered",
    "mode": "graduated",
    "tiers": [
        {"upToAmount": "5", "flatPrice": {"type": "flat", "amount": "100"}, "unitPrice": None},
        {"upToAmount": "10", "flatPrice": {"type": "flat", "amount": "50"}, "unitPrice": None},
        {"upToAmount": "15", "unitPrice": {"type": "unit", "amount": "5"}, "flatPrice": None},
        {"unitPrice": {"type": "unit", "amount": "1"}, "flatPrice": None},
    ],
}


@pytest.fixture
def calls():
    return make_feature(key="calls", name="Calls", meter=make_meter())


def metered_plan(key, feature, **card):
    return flat_plan(key, None, cards=(usage_card(key="calls", name=f"{key.title()} calls", feature=feature, **card),))


def usage_lines():
    rows = InvoiceLine.objects.filter(kind="usage", invoice__issued_at__isnull=False, deleted_at=None)
    return [
        (
            line.name,
            f"{line.quantity if line.metered_quantity is None else line.metered_quantity:.0f}",
            money(line.amount + line.charges_total - line.discounts_total),
        )
        for line in rows.order_by("period_start")
    ]


def test_free_units_count_on_across_the_change(calls):
    """110 free units; 50 before, 75 after: 0 and 15 are charged."""
    free = {"usage": {"quantity": "110"}}
    price = {"type": "unit", "amount": "1.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price, discounts=free))
    use("2026-04-10", "50")
    use("2026-04-20", "75")
    change(subscription, metered_plan("pro", calls, price=price, discounts=free))
    run("2026-05-01")
    assert usage_lines() == [("Basic calls", "50", "0.00"), ("Pro calls", "75", "15.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_with_reset_the_free_units_start_anew(calls):
    free = {"usage": {"quantity": "110"}}
    price = {"type": "unit", "amount": "1.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price, discounts=free))
    use("2026-04-10", "50")
    use("2026-04-20", "75")
    change(subscription, metered_plan("pro", calls, price=price, discounts=free), usage="reset")
    run("2026-05-01")
    assert usage_lines() == [("Basic calls", "50", "0.00"), ("Pro calls", "75", "0.00")]


@pytest.mark.parametrize(
    ("usage", "after"),
    [
        # Units 13 to 22: three at 5, seven at 1; the flat parts of 100 and 50 were billed before.
        ("preserve", "22.00"),
        # Ten units anew: 100 + 50.
        ("reset", "150.00"),
    ],
)
def test_tiers_count_on_and_their_flat_parts_bill_once(calls, usage, after):
    """The worked example of billing rules 3. 22 units in all: 12 before the change (160.00) and 10 after it."""
    subscription = subscribe(metered_plan("basic", calls, price=GRADUATED))
    use("2026-04-10", "12")
    use("2026-04-20", "10")
    change(subscription, metered_plan("pro", calls, price=GRADUATED), usage=usage)
    run("2026-05-01")
    assert usage_lines() == [("Basic calls", "12", "160.00"), ("Pro calls", "10", after)]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        # Together 30 of a minimum of 100, made up for where the period closes.
        ("preserve", ["10.00", "90.00"]),
        # Half a period each, half of the minimum each.
        ("reset", ["50.00", "50.00"]),
    ],
)
def test_a_minimum_is_billed_once_on_the_line_that_closes_the_period(calls, usage, billed):
    price = {"type": "unit", "amount": "1.00", "minimumAmount": "100.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price))
    use("2026-04-10", "10")
    use("2026-04-20", "20")
    change(subscription, metered_plan("pro", calls, price=price), usage=usage)
    run("2026-05-01")
    assert [amount for _, _, amount in usage_lines()] == billed
    assert_books_are_clean("2026-05-01T00:30")


def test_a_maximum_holds_for_the_period_as_a_whole(calls):
    price = {"type": "unit", "amount": "1.00", "maximumAmount": "60.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price))
    use("2026-04-10", "50")
    use("2026-04-20", "50")
    change(subscription, metered_plan("pro", calls, price=price))
    run("2026-05-01")
    assert [amount for _, _, amount in usage_lines()] == ["50.00", "10.00"]


def test_a_cancelation_after_a_change_closes_the_period_with_the_minimum_of_its_time(calls):
    """20 of 30 days were active: two thirds of 90.00 are 60.00, of which 10.00 and 20.00 were used."""
    price = {"type": "unit", "amount": "1.00", "minimumAmount": "90.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price))
    use("2026-04-10", "10")
    use("2026-04-18", "20")
    successor = change(subscription, metered_plan("pro", calls, price=price)).successor
    with clock.frozen_at(at("2026-04-21")):
        cancel_subscription(subscription=successor, timing="immediate")
    assert [amount for _, _, amount in usage_lines()] == ["10.00", "50.00"]
    assert_books_are_clean("2026-04-21T00:30")


def test_usage_survives_two_changes_of_one_period(calls):
    free = {"usage": {"quantity": "100"}}
    price = {"type": "unit", "amount": "1.00"}
    first = subscribe(metered_plan("one", calls, price=price, discounts=free))
    for day in ("2026-04-05", "2026-04-15", "2026-04-25"):
        use(day, "60")
    second = change(first, metered_plan("two", calls, price=price, discounts=free), "2026-04-11").successor
    third = change(second, metered_plan("three", calls, price=price, discounts=free), "2026-04-21").successor
    assert [(use["from"][:10], use["to"][:10]) for use in third.items.get().earlier_use] == [
        ("2026-04-01", "2026-04-11"),
        ("2026-04-11", "2026-04-21"),
    ]
    run("2026-05-01")
    assert usage_lines() == [("One calls", "60", "0.00"), ("Two calls", "60", "20.00"), ("Three calls", "60", "60.00")]
    run("2026-06-01")
    assert usage_lines()[-1] == ("Three calls", "0", "0.00")
    assert_books_are_clean("2026-06-01T00:30")


def test_there_and_back_in_one_second_keeps_the_usage(calls):
    free = {"usage": {"quantity": "100"}}
    price = {"type": "unit", "amount": "1.00"}
    basic = metered_plan("basic", calls, price=price, discounts=free)
    first = subscribe(basic)
    use("2026-04-05", "60")
    use("2026-04-25", "60")
    second = change(first, metered_plan("pro", calls, price=price, discounts=free)).successor
    change(second, basic)
    run("2026-05-01")
    assert usage_lines() == [("Basic calls", "60", "0.00"), ("Basic calls", "60", "20.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_reported_quantities_count_on_too():
    """200 GB reported before the change fill packages of 25; 10 more after it begin the ninth."""
    feature = make_feature()
    subscription = subscribe(flat_plan("basic", None, cards=(usage_card(feature=feature),)))
    with clock.frozen_at(at("2026-04-10")):
        record_report(item=SubscriptionItem.objects.get(), quantity=Decimal(190))
    successor = change(subscription, flat_plan("pro", None, cards=(usage_card(feature=feature),))).successor
    with clock.frozen_at(at("2026-04-20")):
        record_report(item=successor.items.get(), quantity=Decimal(20))
    run("2026-05-01")
    assert usage_lines() == [("Excess storage", "190", "8.00"), ("Excess storage", "20", "1.00")]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize(
    "other",
    [
        {"key": "other_calls"},
        {"billing_cadence": "P1Y"},
        {"type": "flat_fee", "price": fee("5.00"), "feature": None},
    ],
)
def test_only_what_is_counted_alike_is_taken_over(calls, other):
    price = {"type": "unit", "amount": "1.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price))
    card = usage_card(key="calls", name="Calls", feature=calls, price=price) | other
    successor = change(subscription, flat_plan("pro", None, cards=(card,))).successor
    assert successor.items.get().earlier_use == []
    assert Subscription.objects.get(pk=subscription.pk).items.get().continued_at is None


def test_seats_carry_over_and_an_aligned_upgrade_comes_back_right():
    """5 seats at 10.00 from the 1st, 8 from the 11th: 50.00 and 20.00. On the 21st a third of 80.00 comes back."""

    def seats(amount):
        return (flat_card(key="seats", name="Seats", price=fee(amount)),)

    subscription = subscribe(flat_plan("basic", None, cards=seats("10.00")), quantities={"seats": Decimal(5)})
    with clock.frozen_at(at("2026-04-11")):
        update_item(
            subscription_id=subscription.id,
            running_number=1,
            update=ItemUpdate(product_id="seats", quantity=Decimal(8), align=True),
        )
    result = change(subscription, flat_plan("pro", None, cards=seats("30.00")), "2026-04-21")
    # 50.00 x 10/30 = 16.67, and of the 20.00 for 20 days, 10.00 for ten; eight seats at 30.00 for ten days: 80.00.
    assert lines(result.invoice_ids[0]) == [
        ("Seats", "80.00"),
        ("Unused part: Seats", "-16.67"),
        ("Unused part: Seats", "-10.00"),
    ]
    assert_books_are_clean("2026-04-21T00:30")


def test_seats_that_were_planned_for_later_stay_planned():
    cards = (flat_card(key="seats", name="Seats", price=fee("10.00")),)
    subscription = subscribe(flat_plan("basic", None, cards=cards), quantities={"seats": Decimal(5)})
    with clock.frozen_at(at("2026-04-11")):
        record_quantity(item=SubscriptionItem.objects.get(), quantity=Decimal(8), effective_at=at("2026-05-01"))
    result = change(subscription, flat_plan("pro", None, cards=cards))
    assert lines(result.invoice_ids[0]) == [("Seats", "25.00"), ("Unused part: Seats", "-25.00")]
    run("2026-05-01")
    assert InvoiceLine.objects.filter(invoice__number="INV-000003").get().amount == 80


@pytest.mark.parametrize(
    ("commitment", "billed"),
    [
        # 60 + 20 of a minimum of 100: 20 are made up for, once.
        ({"minimumAmount": "100.00"}, ["60.00", "40.00"]),
        # 60 + 20, but 70 at most.
        ({"maximumAmount": "70.00"}, ["60.00", "10.00"]),
    ],
)
def test_commitments_hold_for_the_period_when_a_late_close_bills_both_of_its_windows(calls, commitment, billed):
    """The change of the 16th is said on the 10th, and nothing is billed until May."""
    price = {"type": "unit", "amount": "1.00"} | commitment
    subscription = subscribe(metered_plan("basic", calls, price=price))
    use("2026-04-05", "60")
    use("2026-04-20", "20")
    change(subscription, metered_plan("pro", calls, price=price), "2026-04-10", timing=at("2026-04-16"))
    run("2026-05-01")
    assert [amount for _, _, amount in usage_lines()] == billed
    assert_books_are_clean("2026-05-01T00:30")


def test_usage_that_comes_late_for_one_window_on_a_draft_counts_against_the_minimum_of_the_next(calls):
    """60 + 20 of a minimum of 100 on the draft; another 30 of the first window come before it is collected."""
    make_default_profile(collection_interval="P2D")
    price = {"type": "unit", "amount": "1.00", "minimumAmount": "100.00"}
    subscription = subscribe(metered_plan("basic", calls, price=price))
    use("2026-04-05", "60")
    use("2026-04-20", "20")
    change(subscription, metered_plan("pro", calls, price=price), "2026-04-10", timing=at("2026-04-16"))
    run("2026-05-01")
    assert usage_lines() == []
    use("2026-04-06", "30")
    run("2026-05-03")
    assert [amount for _, _, amount in usage_lines()] == ["90.00", "20.00"]
    assert_books_are_clean("2026-05-03T00:30")


def test_an_edit_to_another_feature_starts_its_usage_anew(calls):
    """Of each feature 10 are free a month. 8 calls until the 16th, and 8 texts, which nobody sold then; 12 texts after
    that are 2 too many. Of each minimum of 30.00, half the month is 15.00."""
    texts = make_feature(key="texts", name="Texts", meter=make_meter(key="texts", event_type="text"))
    terms: dict[str, Any] = {
        "price": {"type": "unit", "amount": "1.00", "minimumAmount": "30.00"},
        "discounts": {"usage": {"quantity": "10"}},
    }
    subscription = subscribe(metered_plan("basic", calls, **terms))
    use("2026-04-10", 8)
    for on, amount in (("2026-04-10", 8), ("2026-04-20", 12)):
        UsageEvent.objects.create(
            source="test", external_id=on, type="text", subject="acme", time=at(on), data={"amount": amount}
        )
    card = RateCardTerms(
        type="usage_based", key="calls", name="Texts", billing_cadence="P1M", feature_key=texts.key, **terms
    )
    with clock.frozen_at(at("2026-04-16")):
        edit_subscription(
            subscription=Subscription.objects.get(pk=subscription.pk),
            timing="immediate",
            edits=[AddItem("phase_1", card)],
        )
    run("2026-05-01")
    assert usage_lines() == [("Basic calls", "8", "15.00"), ("Texts", "12", "15.00")]
    line = InvoiceLine.objects.get(name="Texts", invoice__issued_at__isnull=False)
    assert (money(line.quantity), money(line.pre_period_quantity), money(line.amount)) == ("2.00", "0.00", "2.00")
    assert_books_are_clean("2026-05-01T00:30")
