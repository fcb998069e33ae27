"""Usage of a period that was cut: prices, coupons, pauses and late usage come to what the whole period comes to."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core import clock
from invoicing.drafts.snapshot_quantities import snapshot_quantities
from invoicing.models import Invoice
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.resume_subscription import resume_subscription
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.models import Coupon, ItemRevision, Subscription, SubscriptionItem
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import flat_plan, make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import run
from tests.support.conservation import UsageLedger
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import money, totals
from tests.support.subscriptions import change, edit, subscribe
from tests.support.usage import UNIT, billed, metered, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls():
    return make_feature(key="calls", name="Calls", meter=make_meter())


def end_on(subscription, day):
    """Planned the day before, billed on the day, taken back the day after."""
    with clock.frozen_at(at(f"2026-04-{day - 1:02}")):
        cancel_subscription(subscription=subscription, timing=at(f"2026-04-{day:02}"))
    run(f"2026-04-{day:02}")
    with clock.frozen_at(at(f"2026-04-{day + 1:02}")):
        Subscription.objects.filter(pk=subscription.pk).update(active_to=None)
        ItemRevision.objects.filter(item__subscription=subscription).update(active_to=None)
        mark_for_billing(subscription=subscription, changed_from=at("2026-04-01"))
    subscription.refresh_from_db()


def cut(subscription, first, second, day=16):
    """`first` is used on 10 April, `second` on the 20th; the period is cut on the 16th."""
    use("2026-04-10", first)
    end_on(subscription, day)
    use("2026-04-20", second)
    run("2026-05-01")
    run("2026-05-01T00:10")


@pytest.mark.parametrize(
    ("price", "nets"),
    [
        # Half a month's minimum of 20.00 at the end that was planned; what is left of the whole one at the period's.
        (UNIT | {"minimumAmount": "20.00"}, ("10.00", "10.00")),
        (UNIT | {"maximumAmount": "8.00"}, ("5.00", "3.00")),
        # 4 at 1.00 and 1 at 0.50; the next 7 at 0.50.
        (
            {
                "type": "tiered",
                "mode": "graduated",
                "tiers": [
                    {"upToAmount": "4", "unitPrice": {"type": "unit", "amount": "1.00"}},
                    {"unitPrice": {"type": "unit", "amount": "0.50"}},
                ],
            },
            ("4.50", "3.50"),
        ),
        # Two packages of five begun by 5 + 7 = 12, a third by the last two.
        ({"type": "package", "amount": "3.00", "quantityPerPackage": "5"}, ("3.00", "6.00")),
    ],
    ids=["minimum", "maximum", "graduated", "packages"],
)
def test_a_price_counts_on_over_a_cut(calls, price, nets):
    cut(subscribe(metered(calls, price=price)), "5", "7")
    assert billed() == [("04-01", "04-16", "5", nets[0]), ("04-16", "05-01", "7", nets[1])]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_percentage_coupon_reduces_both_parts_of_a_cut_period(calls):
    subscription = subscribe(metered(calls))
    Coupon.objects.create(code="OFF", periods=None, percentage=Decimal(50))
    with clock.frozen_at(at("2026-04-01")):
        redeem_coupon(subscription=subscription, running_number=1, code="OFF")
    cut(subscription, "5", "7")
    assert [line[3] for line in billed()] == ["2.50", "3.50"]
    assert_books_are_clean("2026-05-01T00:30")


def test_an_end_that_is_taken_back_twice_cuts_twice(calls):
    subscription = subscribe(metered(calls, discounts={"usage": {"quantity": "6"}}))
    use("2026-04-05", "5")
    end_on(subscription, 11)
    use("2026-04-15", "2")
    end_on(subscription, 21)
    use("2026-04-25", "3")
    run("2026-05-01")
    assert billed() == [
        ("04-01", "04-11", "5", "0.00"),
        ("04-11", "04-21", "2", "1.00"),
        ("04-21", "05-01", "3", "3.00"),
    ]
    assert SubscriptionItem.objects.get().usage_splits == [at("2026-04-11"), at("2026-04-21")]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize("begins", [16, 20], ids=["at the cut", "behind it"])
def test_a_pause_in_a_cut_period(calls, begins):
    subscription = subscribe(metered(calls, discounts={"usage": {"quantity": "6"}}))
    use("2026-04-10", "5")
    end_on(subscription, 16)
    use("2026-04-18", "2")
    with clock.frozen_at(at("2026-04-18")):
        if begins == 20:
            pause_subscription(subscription=subscription, timing=at("2026-04-20"))
        else:
            Subscription.objects.filter(pk=subscription.pk).update(
                pauses=[{"from": "2026-04-16T00:00:00+00:00", "to": None}]
            )
            mark_for_billing(subscription=subscription, changed_from=at("2026-04-01"))
    run("2026-04-20")
    subscription.refresh_from_db()
    with clock.frozen_at(at("2026-04-24")):
        resume_subscription(subscription=subscription, timing="immediate")
    use("2026-04-22", "100")
    use("2026-04-25", "3")
    run("2026-05-01")
    middle = [("04-16", "04-20", "2", "1.00")] if begins == 20 else []
    last = ("04-24", "05-01", "3", "3.00" if begins == 20 else "2.00")
    assert billed() == [("04-01", "04-16", "5", "0.00"), *middle, last]
    assert_books_are_clean("2026-05-01T00:30")
    UsageLedger().balance(at("2026-05-01T00:30"))


def test_a_cut_at_a_change_to_summer_time(calls):
    """In Berlin the night of 29 March is 23 hours long; cut at its end, nothing is counted twice or left out."""
    subscription = subscribe(metered(calls), customer=make_customer(time_zone="Europe/Berlin"), on="2026-02-28T23:00")
    use("2026-03-29T00:59", "5")
    with clock.frozen_at(at("2026-03-20")):
        cancel_subscription(subscription=subscription, timing=at("2026-03-29T01:00"))
    run("2026-03-29T01:00")
    with clock.frozen_at(at("2026-03-29T02:00")):
        Subscription.objects.filter(pk=subscription.pk).update(active_to=None)
        ItemRevision.objects.filter(item__subscription=subscription).update(active_to=None)
        mark_for_billing(subscription=subscription, changed_from=at("2026-02-28T23:00"))
    use("2026-03-29T01:00", "7")
    use("2026-03-31T21:59", "1")
    use("2026-03-31T22:00", "9")
    run("2026-03-31T22:00")
    assert [line[2:] for line in billed()] == [("5", "5.00"), ("8", "8.00")]
    assert_books_are_clean("2026-03-31T22:30")


def test_a_period_that_was_cut_is_taken_over_by_another_plan(calls):
    """Six free units: five up to the cut, two up to the change, three behind it: four are charged."""
    free = {"usage": {"quantity": "6"}}
    subscription = subscribe(metered(calls, discounts=free))
    use("2026-04-05", "5")
    end_on(subscription, 11)
    use("2026-04-15", "2")
    with clock.frozen_at(at("2026-04-21")):
        change(subscription, metered(calls, "pro", discounts=free), on="2026-04-21")
    use("2026-04-25", "3")
    run("2026-05-01")
    assert billed() == [
        ("04-01", "04-11", "5", "0.00"),
        ("04-11", "04-21", "2", "1.00"),
        ("04-21", "05-01", "3", "3.00"),
    ]
    assert_books_are_clean("2026-05-01T00:30")


DEARER = RateCardTerms(
    type="usage_based",
    key="calls",
    name="Calls",
    billing_cadence="P1M",
    feature_key="calls",
    price={"type": "unit", "amount": "2.00"},
)


@pytest.mark.parametrize("by", ["cut", "edit"])
@pytest.mark.parametrize(
    ("aggregation", "values", "quantities", "late"),
    [
        # 5, then 8 late, then 10: five were billed, three are late, the second part adds two.
        ("MAX", ("5", "8", "10"), ("5", "2"), "3"),
        # One, then another one late, then a third.
        ("UNIQUE_COUNT", ("1", "2", "3"), ("1", "1"), "1"),
        ("SUM", ("5", "8", "10"), ("5", "10"), "8"),
    ],
)
def test_late_events_before_a_cut_are_late_by_what_the_whole_period_adds(by, aggregation, values, quantities, late):
    feature = make_feature(key="calls", name="Calls", meter=make_meter(aggregation=aggregation))
    subscription = subscribe(metered(feature))
    use("2026-04-10", values[0])
    if by == "cut":
        end_on(subscription, 16)
    else:
        edit(subscription, "2026-04-16", AddItem("phase_1", DEARER))
        run("2026-04-16")
    ledger = UsageLedger()
    ledger.balance(at("2026-04-17"))
    use("2026-04-11", values[1])
    use("2026-04-20", values[2])
    run("2026-05-01")
    assert [line[2] for line in billed()] == list(quantities)
    ledger.balance(at("2026-05-01T00:30"))
    code, said = run_check(now="2026-05-01T00:30")
    assert (code, f"late usage of {late} from 2026-04-01 00:00 to 2026-04-16 00:00" in said) == (2, True), said


@pytest.fixture
def two_drafts(calls):
    """100 free units, what is billed waits five days. 50 up to a new price on the 16th, 60 up to an end on the 17th."""
    subscription = subscribe(metered(calls, discounts={"usage": {"quantity": "100"}}))
    make_default_profile(collection_interval="P5D")
    use("2026-04-10", "50")
    edit(subscription, "2026-04-16", AddItem("phase_1", replace(DEARER, discounts={"usage": {"quantity": "100"}})))
    run("2026-04-16")
    use("2026-04-16T12:00", "60")
    with clock.frozen_at(at("2026-04-16T13:00")):
        cancel_subscription(subscription=subscription, timing=at("2026-04-17"))
    return subscription


def test_a_draft_that_is_collected_early_takes_what_came_before_it_along(two_drafts):
    """The second draft sees 50 before it: ten at 2.00. The 60 that come for the first one then are late."""
    run("2026-04-17")
    second = Invoice.objects.get(status__startswith="draft", period_start=at("2026-04-16"))
    with clock.frozen_at(at("2026-04-17T01:00")):
        snapshot_quantities(invoice=second)
    use("2026-04-12", "60")
    run("2026-04-22")
    assert billed() == [("04-01", "04-16", "50", "0.00"), ("04-16", "04-17", "60", "20.00")]
    code, said = run_check(now="2026-04-22T00:30")
    assert (code, "late usage of 60 from 2026-04-01 00:00 to 2026-04-16 00:00" in said) == (2, True), said


def test_an_invoice_waits_for_a_draft_that_holds_what_came_before_it(two_drafts):
    """Billed at once by then, the second waits all the same: 110 came before, so that all of its 60 are charged."""
    make_default_profile(collection_interval="PT0S")
    use("2026-04-12", "60")
    run("2026-04-17")
    second = Invoice.objects.get(status__startswith="draft", period_start=at("2026-04-16"))
    # What the first draft holds is not fixed yet: it counts as it is now.
    assert money(second.total) == "120.00"
    drafts = Invoice.objects.filter(status="draft.waiting_for_collection")
    assert set(drafts.values_list("collection_at", flat=True)) == {at("2026-04-21")}
    run("2026-04-21")
    assert billed() == [("04-01", "04-16", "110", "10.00"), ("04-16", "04-17", "60", "120.00")]
    assert_books_are_clean("2026-04-21T00:30")


def test_usage_that_no_cut_can_shorten_is_cut_once(calls):
    """Without a cadence, which only SQL can bring about, there is no period to cut: the close ends all the same."""
    subscription = subscribe(metered(calls))
    use("2026-04-10", "5")
    end_on(subscription, 16)
    ItemRevision.objects.update(billing_cadence=None, active_to=at("2026-04-25"))
    run("2026-05-01")
    assert SubscriptionItem.objects.get().usage_splits == [at("2026-04-16")]


def test_a_flat_fee_is_not_cut_where_its_item_was():
    """An item that counted usage once, and was cut then, may be a flat fee by now."""
    subscribe(flat_plan("basic", "10.00"), bill=False)
    SubscriptionItem.objects.update(usage_splits=[at("2026-04-16")])
    run("2026-04-01")
    assert totals() == ["10.00"]
    assert_books_are_clean("2026-04-01T00:30")
