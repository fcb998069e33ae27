"""Coupons by what was used: a period in which there is nothing to take off is not counted (billing rules 3)."""

from decimal import Decimal

import pytest

from core import clock
from entitlements.models import Feature
from invoicing.drafts.delete_draft import delete_draft
from invoicing.gathering.live_totals import show_live
from invoicing.models import Invoice, InvoiceLine
from invoicing.previews.preview_customers import preview_customer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon, CouponRedemption
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money, notes, totals
from tests.support.subscriptions import change, do, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db
HALF = {"percentage": Decimal(50), "periods": 1}
ONE_EACH = {"type": "unit", "amount": "1.00"}


def calls(key="basic", price=ONE_EACH, **card):
    """A plan of calls, metered, by the month in arrears."""
    feature = Feature.objects.filter(key="calls").first() or make_feature(key="calls", meter=make_meter())
    return flat_plan(key, None, cards=(usage_card(key="base", name=key, feature=feature, price=price, **card),))


def subscribe_with(plan, on="2026-04-01", **terms):
    Coupon.objects.create(code="C", **(HALF | terms))
    subscription = subscribe(plan, on, bill=False)
    redeem(subscription, on)
    return subscription


def redeem(subscription, on):
    item = subscription.items.select_related("subscription__plan").get(key="base")
    with clock.frozen_at(at(on)):
        return record_redemption(item=item, code="C", at=at(on))


def ends():
    """When the coupon ends, for each item that it was carried to."""
    return [f"{end:%Y-%m-%d}" for end in CouponRedemption.objects.order_by("id").values_list("effective_to", flat=True)]


def billed_by_month():
    """The net of each usage line by the start of its period."""
    rows = InvoiceLine.objects.filter(deleted_at=None, window__isnull=False).order_by("period_start")
    return [
        (f"{line.period_start:%m-%d}", money(line.amount + line.charges_total - line.discounts_total)) for line in rows
    ]


def bill_draft_again(on):
    """Delete the one draft that there is, so that its periods are billed anew."""
    with clock.frozen_at(at(on)):
        delete_draft(invoice=Invoice.objects.get(status__startswith="draft"), rebill=True, reason="Usage was missing")


def test_a_month_without_usage_uses_up_no_period_of_a_coupon():
    """Half off for one period of calls at 1.00. Nothing in April; 100 calls in May: 50.00; 100 in June: 100.00."""
    subscribe_with(calls())
    use("2026-05-10", "100")
    use("2026-06-10", "100")
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    assert totals() == ["0.00", "50.00", "100.00"]
    assert ends() == ["2026-06-01"]
    assert_books_are_clean("2026-07-01T00:30")


@pytest.mark.parametrize(
    ("card", "used"),
    [
        ({"discounts": {"usage": {"quantity": "100"}}}, "60"),
        ({"price": {"type": "unit", "amount": "0.0001"}}, "40"),
        ({"price": {"type": "unit", "amount": "0.01"}, "discounts": {"percentage": {"percentage": "60"}}}, "1"),
    ],
)
def test_usage_that_comes_to_nothing_uses_up_no_period_either(card, used):
    """60 of 100 free units; 40 x 0.0001 = 0.004, rounded to 0.00; 0.01 less 60 %, rounded to 0.01, is 0.00."""
    subscribe_with(calls(**card))
    use("2026-04-10", used)
    run("2026-05-01")
    assert (totals(), ends()) == (["0.00"], ["2026-06-01"])


def test_a_minimum_is_no_amount_that_a_coupon_takes_anything_off():
    """Nothing used, a minimum of 20.00: a coupon does not lower it. May: 100.00 less half."""
    subscribe_with(calls(price=ONE_EACH | {"minimumAmount": "20.00"}))
    use("2026-05-10", "100")
    for on in ("2026-05-01", "2026-06-01"):
        run(on)
    assert (totals(), ends()) == (["20.00", "50.00"], ["2026-06-01"])


def test_one_late_close_lets_the_coupon_move_on_from_window_to_window():
    """April to July in one close: 0.00, half of 10.00, 0.00, half of 20.00; August, closed later, costs its 30.00."""
    subscribe_with(calls(), periods=2)
    for on, amount in (("2026-05-10", "10"), ("2026-07-10", "20"), ("2026-08-10", "30")):
        use(on, amount)
    run("2026-08-01")
    run("2026-09-01")
    assert billed_by_month() == [
        ("04-01", "0.00"),
        ("05-01", "5.00"),
        ("06-01", "0.00"),
        ("07-01", "10.00"),
        ("08-01", "30.00"),
    ]
    assert ends() == ["2026-08-01"]
    assert_books_are_clean("2026-09-01T00:30")


def test_a_preview_of_a_late_close_comes_to_what_the_close_comes_to_and_moves_nothing():
    """April to June in one close: 0.00, half of 10.00, and 20.00 in full."""
    subscription = subscribe_with(calls())
    for on, amount in (("2026-05-10", "10"), ("2026-06-10", "20")):
        use(on, amount)
    with clock.frozen_at(at("2026-07-01")):
        outlook = preview_customer(customer_id=subscription.customer_id, until=at("2026-07-01"))
    [foreseen] = outlook.documents
    assert (money(foreseen.totals["total"]), ends()) == ("25.00", ["2026-05-01"])
    run("2026-07-01")
    assert (totals(), ends()) == (["25.00"], ["2026-06-01"])


def test_the_gathering_invoice_shows_the_coupon_by_what_is_known():
    """Nothing in April, so that 10 calls of May are to cost 5.00."""
    subscribe_with(calls())
    use("2026-05-10", "10")
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-20")):
        gathering = Invoice.objects.get(status="gathering")
        show_live([gathering])
    assert money(gathering.total) == "5.00"


def test_a_close_that_is_repeated_moves_nothing_twice():
    subscribe_with(calls())
    for _ in range(3):
        run("2026-05-01")
    assert ends() == ["2026-06-01"]
    assert CouponRedemption.objects.get().untouched == [
        {"from": "2026-04-01T00:00:00+00:00", "to": "2026-05-01T00:00:00+00:00"}
    ]


def test_a_coupon_on_what_is_never_used_always_has_an_end():
    subscribe_with(calls())
    seen = []
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
        seen += ends()
    assert seen == ["2026-06-01", "2026-07-01", "2026-08-01"]


def test_a_period_in_two_parts_is_counted_where_one_of_them_was_reduced():
    """Paused from the 10th to the 20th of April: nothing before, 8 calls after it, half off. May: 10.00 in full."""
    subscription = subscribe_with(calls())
    do(pause_subscription, subscription, "2026-04-10")
    do(resume_subscription, subscription, "2026-04-20")
    use("2026-04-25", "8")
    use("2026-05-10", "10")
    for on in ("2026-05-01", "2026-06-01"):
        run(on)
    assert billed_by_month() == [("04-01", "0.00"), ("04-20", "4.00"), ("05-01", "10.00")]
    assert ends() == ["2026-05-01"]


def test_a_period_in_two_parts_is_left_out_where_neither_was_reduced_and_a_resumption_keeps_that():
    """The same without usage in April. All of June is paused as well: May takes the half off, July is 10.00."""
    subscription = subscribe_with(calls())
    do(pause_subscription, subscription, "2026-04-10")
    do(resume_subscription, subscription, "2026-04-20")
    use("2026-05-10", "10")
    run("2026-05-01")
    assert ends() == ["2026-06-01"]
    do(pause_subscription, subscription, "2026-05-20", "next_billing_cycle")
    do(resume_subscription, subscription, "2026-07-01")
    assert ends() == ["2026-06-01"]
    use("2026-07-10", "10")
    for on in ("2026-07-01", "2026-08-01"):
        run(on)
    assert billed_by_month() == [("04-01", "0.00"), ("04-20", "0.00"), ("05-01", "5.00"), ("07-01", "10.00")]


@pytest.mark.parametrize("usage", ["preserve", "reset"])
def test_a_period_that_a_change_of_plan_divides_is_left_out_where_neither_part_was_reduced(usage):
    """Nothing in April, under either plan. May: 5.00 of 10.00. June: 10.00."""
    subscription = subscribe_with(calls("basic"))
    change(subscription, calls("pro"), usage=usage)
    for on in ("2026-05-10", "2026-06-10"):
        use(on, "10")
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    assert billed_by_month() == [("04-01", "0.00"), ("04-16", "0.00"), ("05-01", "5.00"), ("06-01", "10.00")]
    assert ends()[-1] == "2026-06-01"
    assert_books_are_clean("2026-07-01T00:30")


@pytest.mark.parametrize("usage", ["preserve", "reset"])
def test_a_period_that_a_change_of_plan_divides_counts_where_the_first_part_was_reduced(usage):
    """8 calls before the change: 4.00. Nothing after it in April; May costs its 10.00."""
    subscription = subscribe_with(calls("basic"))
    use("2026-04-10", "8")
    change(subscription, calls("pro"), usage=usage)
    use("2026-05-10", "10")
    for on in ("2026-05-01", "2026-06-01"):
        run(on)
    assert billed_by_month() == [("04-01", "4.00"), ("04-16", "0.00"), ("05-01", "10.00")]


def test_a_coupon_moves_on_to_the_plan_that_was_planned_for_after_its_end():
    """From Basic to Pro on 1 May, said on 10 April, when the coupon was to end on that day. Nothing in April: Pro's May
    takes the half off its 10.00."""
    subscription = subscribe_with(calls("basic"))
    change(subscription, calls("pro"), "2026-04-10", timing="next_billing_cycle")
    for on in ("2026-05-10", "2026-06-10"):
        use(on, "10")
    run("2026-07-01")
    assert billed_by_month() == [("04-01", "0.00"), ("05-01", "5.00"), ("06-01", "10.00")]
    assert_books_are_clean("2026-07-01T00:30")


def test_what_nobody_reported_uses_up_no_period():
    """Counted by reports: none for April; 10 for May, half off."""
    feature = make_feature(key="calls")
    card = usage_card(key="base", name="Calls", feature=feature, price=ONE_EACH)
    subscribe_with(flat_plan("basic", None, cards=(card,)))
    run("2026-05-01")
    assert ends() == ["2026-06-01"]


def test_usage_that_comes_before_its_draft_is_collected_makes_the_period_count_after_all():
    """April's draft of 1 May is 0.00, so May is to take the half off. On 4 May 8 calls of April are there: April is
    4.00, and May its 10.00."""
    make_default_profile(collection_interval="P3D", draft_period="P0D")
    subscribe_with(calls())
    run("2026-05-01")
    assert ends() == ["2026-06-01"]
    use("2026-04-30", "8")
    use("2026-05-10", "10")
    run("2026-05-04")
    assert ends() == ["2026-05-01"]
    run("2026-06-01")
    run("2026-06-04")
    assert totals() == ["4.00", "10.00"]
    assert_books_are_clean("2026-06-04T00:30")


def test_a_draft_whose_periods_are_billed_again_is_decided_again():
    """0.00 for April on a draft that is deleted; by then 8 calls are there, half of which is charged. May: 10.00."""
    make_default_profile(auto_advance=False)
    subscribe_with(calls())
    run("2026-05-01")
    assert ends() == ["2026-06-01"]
    bill_draft_again("2026-05-02")
    assert ends() == ["2026-05-01"]
    use("2026-04-30", "8")
    use("2026-05-10", "10")
    run("2026-05-03")
    run("2026-06-01")
    assert billed_by_month() == [("04-01", "4.00"), ("05-01", "10.00")]
    assert ends() == ["2026-05-01"]


def test_both_parts_of_a_divided_period_are_decided_again_where_their_one_draft_is_billed_again():
    """A change of plan on 16 April, whose draft is given back: both parts are 0.00 on the draft of 1 May. That is
    deleted; by then 8 calls of the 10th are there, half of which is charged. May: 10.00 in full."""
    make_default_profile(auto_advance=False)
    subscription = subscribe_with(calls("basic"))
    change(subscription, calls("pro"), usage="preserve")
    bill_draft_again("2026-04-17")
    run("2026-05-01")
    bill_draft_again("2026-05-02")
    use("2026-04-10", "8")
    use("2026-05-10", "10")
    run("2026-05-03")
    run("2026-06-01")
    assert billed_by_month() == [("04-01", "4.00"), ("04-16", "0.00"), ("05-01", "10.00")]
    assert ends()[-1] == "2026-05-01"


def test_a_period_that_the_coupon_has_moved_on_from_for_good_is_billed_without_it():
    """April's 0.00 is on a draft still when May is billed 5.00 of its 10.00. The draft is deleted, and 8 calls of April
    are there by then: they cost 8.00, for the coupon's one period was May."""
    make_default_profile(auto_advance=False)
    subscribe_with(calls())
    run("2026-05-01")
    use("2026-05-10", "10")
    run("2026-06-01")
    first = Invoice.objects.filter(status__startswith="draft").order_by("period_start").first()
    with clock.frozen_at(at("2026-06-02")):
        delete_draft(invoice=first, rebill=True, reason="Usage was missing")
    use("2026-04-30", "8")
    run("2026-06-03")
    assert billed_by_month() == [("04-01", "8.00"), ("05-01", "5.00")]
    assert ends() == ["2026-06-01"]


def test_a_period_that_comes_to_nothing_once_more_moves_the_coupon_past_those_left_out_meanwhile():
    """April and May were 0.00, on drafts; April's is deleted, and is 0.00 again. June is half of 10.00."""
    make_default_profile(auto_advance=False)
    subscribe_with(calls())
    run("2026-05-01")
    run("2026-06-01")
    first = Invoice.objects.filter(status__startswith="draft").order_by("period_start").first()
    with clock.frozen_at(at("2026-06-02")):
        delete_draft(invoice=first, rebill=True, reason="Usage was missing")
    run("2026-06-03")
    assert ends() == ["2026-07-01"]
    use("2026-06-10", "10")
    use("2026-07-10", "10")
    run("2026-07-01")
    run("2026-08-01")
    assert billed_by_month() == [("04-01", "0.00"), ("05-01", "0.00"), ("06-01", "5.00"), ("07-01", "10.00")]
    assert_books_are_clean("2026-08-01T00:30")


def test_a_trial_of_the_plan_that_is_changed_to_uses_up_no_period():
    """Half off two periods. April was 15.00; Pro, from 1 May, begins with a month for nothing: June is the second."""
    trial = {"key": "trial", "duration": "P1M", "cards": (flat_card(price=fee("0.00")),)}
    pro = make_plan(trial, {"key": "paid", "cards": (flat_card(price=fee("90.00")),)}, key="pro")
    subscription = subscribe_with(flat_plan("basic", "30.00"), periods=2)
    run("2026-04-01")
    change(subscription, pro, "2026-04-10", timing="next_billing_cycle")
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    assert totals() == ["15.00", "0.00", "45.00", "90.00"]
    assert_books_are_clean("2026-07-01T00:30")


def test_a_fee_of_no_seats_uses_up_no_period():
    """Half off for one period of 10.00 a seat. No seat in April; 4 from 16 April on cost their half month, 20.00, in
    full. May is half of 40.00, June is 40.00. 20.00 come back of June on the 16th."""
    Coupon.objects.create(code="C", **HALF)
    subscription = subscribe(flat_plan("basic", "10.00"), bill=False, quantities={"base": Decimal(0)})
    redeem(subscription, "2026-04-01")
    run("2026-04-01")
    with clock.frozen_at(at("2026-04-16")):
        update_item(
            subscription_id=subscription.pk,
            running_number=1,
            update=ItemUpdate(product_id="base", quantity=Decimal(4), align=True),
        )
    for on in ("2026-05-01", "2026-06-01"):
        run(on)
    do(cancel_subscription, subscription, "2026-06-16")
    assert (totals(), ends()) == (["0.00", "20.00", "20.00", "40.00"], ["2026-06-01"])
    assert [gross for _, _, gross, _, _ in notes()] == ["20.00"]
    assert_books_are_clean("2026-06-16T00:30")
