"""Coupons across a change of plan: what comes back, what is charged, and how often a redemption counts."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import Conflict
from core.periods import parse_duration
from entitlements.models import UsageEvent
from invoicing.models import Invoice, InvoiceLine
from invoicing.rating.explanation_json import read_explanation
from invoicing.rating.readable import readable
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem, StretchPhase, UnscheduleEdit
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon, CouponRedemption, Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import invoices, lines, money, notes, totals
from tests.support.subscriptions import change, edit, subscribe

pytestmark = pytest.mark.django_db


def base_of(subscription):
    return subscription.items.select_related("subscription__plan").get(key="base")


def redeem(subscription, on, code="C"):
    with clock.frozen_at(at(on)):
        return record_redemption(item=base_of(subscription), code=code, at=at(on))


def subscribe_with(plan, **terms):
    """From 1 April on, with the coupon C from the first period on."""
    Coupon.objects.create(code="C", **{"periods": 2} | terms)
    subscription = subscribe(plan, bill=False)
    redeem(subscription, "2026-04-01")
    run("2026-04-01")
    return subscription


def test_half_off_for_two_periods_runs_on_over_an_upgrade_on_the_16th():
    """15.00 was paid of 30.00, so 7.50 come back; half of 45.00 is charged. May is half of 90.00, June the whole."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    result = change(subscription, flat_plan("pro", "90.00"))
    assert lines(result.invoice_ids[0]) == [("Pro fee", "22.50"), ("Unused part: Basic fee", "-7.50")]
    assert (money(result.due_now), money(result.next_amount)) == ("15.00", "45.00")
    run("2026-05-01")
    run("2026-06-01")
    assert totals() == ["15.00", "15.00", "45.00", "90.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_a_fee_that_does_not_say_when_it_is_charged_keeps_its_coupon_as_one_in_advance():
    """After April its one period is over: the change on the 1st finds nothing that runs on."""
    price = {"type": "flat", "amount": "30.00"}
    subscription = subscribe_with(
        flat_plan("basic", None, cards=(flat_card(price=price),)), percentage=Decimal(50), periods=1
    )
    change(subscription, flat_plan("pro", "90.00"), on="2026-05-01")
    assert totals() == ["15.00", "90.00"]
    assert CouponRedemption.objects.count() == 1


def test_a_redemption_that_is_carried_over_keeps_its_bounds_and_counts_once():
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), redemption_limit=2)
    successor = change(subscription, flat_plan("pro", "90.00")).successor
    carried = CouponRedemption.objects.get(item=base_of(successor))
    assert (carried.effective_from, carried.effective_to) == (at("2026-04-01"), at("2026-06-01"))
    assert redeem(successor, "2026-04-17") == carried
    other = subscribe(flat_plan("side", "10.00"), "2026-04-18")
    redeem(other, "2026-04-19")
    third = subscribe(flat_plan("third", "10.00"), "2026-04-18")
    with pytest.raises(Conflict, match="was redeemed 2 times, which is its limit"):
        redeem(third, "2026-04-19")


def test_a_coupon_of_the_old_plan_alone_stays_behind():
    """7.50 come back, 45.00 are charged."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), plan_keys=["basic"])
    change(subscription, flat_plan("pro", "90.00"))
    assert totals() == ["15.00", "37.50"]


def test_a_coupon_for_some_months_does_not_reduce_a_year():
    """15.00 were paid for April, so 7.50 come back; a year's 360.00 are charged whole."""
    yearly = flat_plan(
        "yearly",
        None,
        cards=(flat_card(name="Year", price=fee("360.00"), billing_cadence="P1Y"),),
        billing_cadence="P1Y",
    )
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    change(subscription, yearly, billing_anchor=at("2026-04-16"))
    assert totals() == ["15.00", "352.50"]


def test_a_coupon_without_end_also_reduces_a_year():
    """7.50 come back; half of a year's 360.00 is charged."""
    yearly = flat_plan(
        "yearly",
        None,
        cards=(flat_card(name="Year", price=fee("360.00"), billing_cadence="P1Y"),),
        billing_cadence="P1Y",
    )
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), periods=None)
    change(subscription, yearly, billing_anchor=at("2026-04-16"))
    assert totals() == ["15.00", "172.50"]


def test_a_fixed_amount_is_divided_by_time_so_that_no_change_wins_it_twice():
    """25.00 paid, 12.50 come back; 45.00 less half of 5.00 is 42.50. Back at once: 42.50 for 15.00 less 2.50."""
    basic, pro = flat_plan("basic", "30.00"), flat_plan("pro", "90.00")
    subscription = subscribe_with(basic, amount=Decimal(5), currency="EUR", periods=None)
    successor = change(subscription, pro).successor
    assert totals() == ["25.00", "30.00"]
    change(successor, basic)
    assert totals() == ["25.00", "30.00", "0.00"]
    assert [gross for _, _, gross, _, _ in notes()] == ["30.00"]
    run("2026-05-01")
    # 30.00 less the whole 5.00, whole periods again; the balance pays it.
    assert invoices()[-1][1:] == ("25.00", "0.00")
    assert_books_are_clean("2026-05-01T00:30")


def test_a_fixed_amount_is_divided_on_a_fee_in_arrears_too():
    """Half of 30.00 less half of 5.00 is 12.50, due at the change; half of 90.00 less the rest is 42.50."""

    def arrears(key, amount):
        return flat_plan(key, None, cards=(flat_card(name=key, price=fee(amount, "in_arrears")),))

    subscription = subscribe_with(arrears("basic", "30.00"), amount=Decimal(5), currency="EUR")
    change(subscription, arrears("pro", "90.00"))
    run("2026-05-01")
    assert totals() == ["12.50", "42.50"]


def test_a_coupon_redeemed_while_a_change_waits_counts_on_the_new_plan():
    Coupon.objects.create(code="C", percentage=Decimal(50), periods=1)
    subscription = subscribe(flat_plan("pro", "90.00"))
    change(subscription, flat_plan("basic", "30.00"), "2026-04-10", timing="next_billing_cycle")
    redeem(subscription, "2026-04-16")
    run("2026-05-01")
    run("2026-06-01")
    assert totals() == ["90.00", "15.00", "30.00"]


def test_a_change_taken_back_leaves_the_coupon_where_it_was():
    subscription = subscribe_with(flat_plan("pro", "90.00"), percentage=Decimal(50))
    change(subscription, flat_plan("basic", "30.00"), "2026-04-10", timing="next_billing_cycle")
    assert CouponRedemption.objects.count() == 2
    with clock.frozen_at(at("2026-04-16")):
        unschedule_cancelation(subscription=Subscription.objects.get(pk=subscription.pk))
    assert CouponRedemption.objects.count() == 1
    run("2026-05-01")
    assert totals() == ["45.00", "45.00"]


def test_a_downgrade_gives_back_what_was_paid_with_the_coupon():
    """45.00 paid of 90.00: 22.50 come back, of which half of 15.00 takes 7.50; the rest of 15.00 is a credit note."""
    subscription = subscribe_with(flat_plan("pro", "90.00"), percentage=Decimal(50))
    result = change(subscription, flat_plan("basic", "30.00"))
    assert lines(result.invoice_ids[0]) == [("Basic fee", "7.50"), ("Unused part: Pro fee", "-7.50")]
    assert [(net, gross) for _, net, gross, _, _ in notes()] == [("15.00", "15.00")]
    run("2026-05-01")
    # May is the coupon's second period: 15.00, which the balance pays. June is whole.
    run("2026-06-01")
    assert totals() == ["45.00", "0.00", "15.00", "30.00"]
    assert_books_are_clean("2026-06-01T00:30")


@pytest.mark.parametrize(
    ("terms", "paid", "back"),
    [
        ({"percentage": Decimal(50)}, "15.00", "7.50"),
        ({"amount": Decimal(5), "currency": "EUR"}, "25.00", "12.50"),
        ({"amount": Decimal(40), "currency": "EUR"}, "0.00", None),
    ],
)
def test_a_cancelation_gives_back_half_of_what_was_paid_with_the_coupon(terms, paid, back):
    subscription = subscribe_with(flat_plan("basic", "30.00"), **terms)
    with clock.frozen_at(at("2026-04-16")):
        cancel_subscription(subscription=subscription, timing="immediate")
    assert totals() == [paid]
    assert [gross for _, _, gross, _, _ in notes()] == ([back] if back else [])
    assert_books_are_clean("2026-04-16T00:30")


def test_a_free_trial_uses_up_no_period_of_a_coupon():
    """Half off for two periods, redeemed in a trial of a month at 0.00: 15.00 off May and June, nothing off July."""
    trial = {"key": "trial", "duration": "P1M", "cards": (flat_card(price=fee("0.00")),)}
    plan = make_plan(trial, {"key": "paid", "cards": (flat_card(price=fee("30.00")),)}, key="basic")
    subscription = subscribe_with(plan, percentage=Decimal(50))
    assert CouponRedemption.objects.get(item__subscription=subscription).effective_to == at("2026-07-01")
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    assert totals() == ["0.00", "15.00", "15.00", "30.00"]
    assert_books_are_clean("2026-07-01T00:30")


def test_where_nothing_is_ever_charged_every_period_counts():
    subscription = subscribe_with(flat_plan("basic", "0.00"), percentage=Decimal(50))
    assert CouponRedemption.objects.get(item__subscription=subscription).effective_to == at("2026-06-01")


def test_a_pause_counts_among_the_periods_of_a_coupon():
    """Half off April and May. Paused over the boundary: 7.50 of April come back, half of 15.48 is charged for May."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    with clock.frozen_at(at("2026-04-16")):
        pause_subscription(subscription=subscription, timing="immediate")
    with clock.frozen_at(at("2026-05-16")):
        resume_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
    run("2026-06-01")
    assert ([gross for _, _, gross, _, _ in notes()], totals()) == (["7.50"], ["15.00", "7.74", "30.00"])


def test_a_period_that_is_paused_as_a_whole_uses_up_none_of_a_coupon():
    """Half off two periods of 30.00. Paused from 16 April to 16 June: May comes to nothing and is not counted, so that
    June is the second one: half of 15.00 is charged for its 15 of 30 days. July is 30.00."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    with clock.frozen_at(at("2026-04-16")):
        pause_subscription(subscription=subscription, timing="immediate")
    with clock.frozen_at(at("2026-06-16")):
        resume_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
    run("2026-07-01")
    assert ([gross for _, _, gross, _, _ in notes()], totals()) == (["7.50"], ["15.00", "7.50", "30.00"])
    assert_books_are_clean("2026-07-01T00:30")


def test_a_pause_is_left_out_of_a_coupon_that_was_carried_over():
    """Half off three periods: April, of which 7.50 come back on the 16th and 22.50 are charged for the new plan; May is
    paused as a whole; June and July cost 45.00 each, August 90.00."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), periods=3)
    successor = change(subscription, flat_plan("pro", "90.00")).successor
    with clock.frozen_at(at("2026-04-20")):
        pause_subscription(subscription=successor, timing="next_billing_cycle")
    with clock.frozen_at(at("2026-06-01")):
        resume_subscription(subscription=Subscription.objects.get(pk=successor.pk), timing="immediate")
    for on in ("2026-07-01", "2026-08-01"):
        run(on)
    assert totals() == ["15.00", "15.00", "45.00", "45.00", "90.00"]
    assert_books_are_clean("2026-08-01T00:30")


def test_a_trial_that_an_edit_makes_longer_uses_up_no_period_of_a_coupon():
    """Half off for one period, redeemed in a trial of April. The trial lasts through May, too: June is 15.00."""
    trial = {"key": "trial", "duration": "P1M", "cards": (flat_card(price=fee("0.00")),)}
    plan = make_plan(trial, {"key": "paid", "cards": (flat_card(price=fee("30.00")),)}, key="basic")
    subscription = subscribe_with(plan, percentage=Decimal(50), periods=1)
    with clock.frozen_at(at("2026-04-10")):
        longer = StretchPhase("trial", parse_duration("P1M"))
        edit_subscription(subscription=subscription, timing="immediate", edits=[longer])
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    assert totals() == ["0.00", "0.00", "15.00", "30.00"]


def test_a_pause_that_is_called_off_leaves_a_coupon_as_it_was():
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    with clock.frozen_at(at("2026-04-10")):
        pause_subscription(subscription=subscription, timing="next_billing_cycle")
        resume_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
    assert CouponRedemption.objects.get(item__subscription=subscription).effective_to == at("2026-06-01")


def test_an_end_that_was_counted_otherwise_stays():
    """From before whole pauses were left out: nothing moves periods that may be billed."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    CouponRedemption.objects.update(effective_to=at("2026-07-01"))
    with clock.frozen_at(at("2026-04-16")):
        pause_subscription(subscription=subscription, timing="immediate")
    with clock.frozen_at(at("2026-06-16")):
        resume_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
    assert CouponRedemption.objects.get(item__subscription=subscription).effective_to == at("2026-07-01")


def test_an_edit_gives_back_and_charges_with_the_coupon():
    """30.00 becomes 90.00 by an edit: 7.50 come back, half of 45.00 is charged."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    card = RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence="P1M", price=fee("90.00"))
    with clock.frozen_at(at("2026-04-16")):
        edit_subscription(subscription=subscription, timing="immediate", edits=[AddItem("phase_1", card)])
    run("2026-05-01")
    run("2026-06-01")
    assert totals() == ["15.00", "15.00", "45.00", "90.00"]


@pytest.mark.parametrize(
    ("terms", "paid", "back"),
    [
        # 15.00 of 30.00 were paid for April; of 360.00 a year, 15 of 365 days are over.
        ({"percentage": Decimal(50)}, "15.00", "-7.50"),
        ({"amount": Decimal(10), "currency": "EUR"}, "20.00", "-10.00"),
    ],
)
def test_an_edit_to_another_rhythm_is_charged_without_a_coupon_of_months(terms, paid, back):
    """360.00 x 350 / 365 = 345.21 for the year that began on 1 April, from the 16th on."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), **terms)
    card = RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence="P1Y", price=fee("360.00"))
    with clock.frozen_at(at("2026-04-16")):
        edit_subscription(subscription=subscription, timing="immediate", edits=[AddItem("phase_1", card)])
    issued = Invoice.objects.filter(issued_at__isnull=False).latest("issued_at", "sequence")
    assert lines(issued.pk) == [("Base", "345.21"), ("Unused part: Basic fee", back)]
    assert totals()[0] == paid
    assert_books_are_clean("2026-04-16T00:30")


def test_another_rhythm_that_was_planned_and_taken_back_leaves_the_coupon_as_it_was():
    """Half of 30.00 for three months; on 16 June 7.50 come back and half of 45.00 is charged; July is 90.00."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), periods=3)
    card = RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence="P1Y", price=fee("360.00"))
    edit(subscription, "2026-04-10", AddItem("phase_1", card), timing="next_billing_cycle")
    edit(subscription, "2026-04-12", UnscheduleEdit())
    run("2026-05-01")
    run("2026-06-01")
    change(subscription, flat_plan("pro", "90.00"), "2026-06-16")
    run("2026-07-01")
    assert totals() == ["15.00", "15.00", "15.00", "15.00", "90.00"]
    assert_books_are_clean("2026-07-01T00:30")


def test_a_change_of_plan_after_such_an_edit_takes_no_coupon_of_months_along_to_a_year():
    """From 20 April on 346 of 365 days: 720.00 for a year come to 682.52 whole, and 341.26 of 360.00 come back."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    card = RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence="P1Y", price=fee("360.00"))
    edit(subscription, "2026-04-16", AddItem("phase_1", card))
    yearly = flat_plan("yearly", None, cards=(flat_card(name="Year", price=fee("720.00"), billing_cadence="P1Y"),))
    change(subscription, yearly, "2026-04-20")
    assert totals() == ["15.00", "337.71", "341.26"]
    assert_books_are_clean("2026-04-20T00:30")


def test_back_among_months_the_coupon_of_months_goes_on():
    """The same edit; from 20 April on 11 of 30 days of 90.00, half off, less 341.26: a credit. May is half of 90.00."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    card = RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence="P1Y", price=fee("360.00"))
    edit(subscription, "2026-04-16", AddItem("phase_1", card))
    successor = change(subscription, flat_plan("pro", "90.00"), "2026-04-20").successor
    carried = CouponRedemption.objects.get(item=base_of(successor))
    assert (carried.effective_from, carried.effective_to) == (at("2026-04-01"), at("2026-06-01"))
    for on in ("2026-05-01", "2026-06-01"):
        run(on)
    assert totals()[-2:] == ["45.00", "90.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_a_fixed_amount_takes_its_share_of_a_period_in_which_it_ends_by_other_boundaries():
    """10.00 for two months from 1 April; from 16 April on billed on the 16th. Of April's 20.00 one half comes back.
    Until 1 June it lasts 16 of the 31 days from 16 May: 5.16."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), amount=Decimal(10), currency="EUR")
    change(subscription, flat_plan("pro", "90.00"), billing_anchor=at("2026-04-16"))
    for day in ("2026-05-16", "2026-06-16"):
        run(day)
    # 80.00 - 10.00, 90.00 - 5.16, and the whole.
    assert totals() == ["20.00", "70.00", "84.84", "90.00"]
    assert_books_are_clean("2026-06-16T00:30")


@pytest.mark.parametrize(("on", "back"), [("2026-06-01", "43.55"), ("2026-06-05", "31.94")])
def test_what_comes_back_of_such_a_period_was_charged_with_that_share(on, back):
    """Ended on 1 June, 15 of 31 days of 90.00 come back, 43.55, of which the coupon took nothing off; on the 5th 11."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), amount=Decimal(10), currency="EUR")
    pro = change(subscription, flat_plan("pro", "90.00"), billing_anchor=at("2026-04-16")).successor
    run("2026-05-16")
    with clock.frozen_at(at(on)):
        cancel_subscription(subscription=Subscription.objects.get(pk=pro.pk), timing="immediate")
    assert [note[1] for note in notes()] == [back]
    assert_books_are_clean(f"{on}T00:30")


def test_a_percentage_takes_its_share_of_a_period_in_which_it_ends_by_other_boundaries():
    """Half of April's fee for 15 days, and of the month from 16 April on. Until 1 June it lasts 16 of the 31 days from
    16 May: 50 % of 16/31 of 90.00 are 23.23. In all it is half off for two months."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    change(subscription, flat_plan("pro", "90.00"), billing_anchor=at("2026-04-16"))
    for day in ("2026-05-16", "2026-06-16"):
        run(day)
    assert totals() == ["15.00", "37.50", "66.77", "90.00"]
    line = InvoiceLine.objects.get(period_start=at("2026-05-16"), amount="90.00", kind="flat")
    assert "Coupon C: 50 % of 16/31 of the line, rounded once" in readable(read_explanation(line.explain))
    assert_books_are_clean("2026-06-16T00:30")


@pytest.mark.parametrize(("on", "back"), [("2026-05-24", "55.16"), ("2026-06-01", "43.55"), ("2026-06-05", "31.94")])
def test_what_comes_back_of_such_a_period_was_reduced_for_that_share(on, back):
    """Behind 1 June the coupon took nothing off: 15 and 11 of 31 days of 90.00. On 24 May 8 more days are half off:
    23 of 31 days are 66.77, less 50 % of 8/23 of that, 11.61, are 55.16."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    pro = change(subscription, flat_plan("pro", "90.00"), billing_anchor=at("2026-04-16")).successor
    run("2026-05-16")
    with clock.frozen_at(at(on)):
        cancel_subscription(subscription=Subscription.objects.get(pk=pro.pk), timing="immediate")
    assert [note[1] for note in notes()] == [back]
    assert_books_are_clean(f"{on}T00:30")


def test_seats_that_are_added_behind_its_end_are_charged_whole():
    """From 5 June on a second seat for 11 of 31 days of 90.00."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50))
    pro = change(subscription, flat_plan("pro", "90.00"), billing_anchor=at("2026-04-16")).successor
    run("2026-05-16")
    with clock.frozen_at(at("2026-06-05")):
        update_item(
            subscription_id=pro.pk,
            running_number=1,
            update=ItemUpdate(product_id="base", quantity=Decimal(2), align=True),
        )
    assert totals()[-1] == "31.94"
    assert_books_are_clean("2026-06-05T00:30")


def test_a_coupon_that_is_used_up_is_not_redeemed_again_after_a_change():
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), periods=1)
    run("2026-05-01")
    successor = change(subscription, flat_plan("pro", "90.00"), "2026-05-16").successor
    with pytest.raises(Conflict, match="Coupon C was used up on this item"):
        redeem(successor, "2026-05-17")
    third = change(successor, flat_plan("team", "60.00"), "2026-05-18").successor
    with pytest.raises(Conflict, match="Coupon C was used up on this item"):
        redeem(third, "2026-05-19")
    assert CouponRedemption.objects.count() == 1


def test_a_coupon_that_stayed_behind_runs_on_within_its_bounds_when_its_plan_comes_back():
    """For Basic alone, April to June. Pro from 16 April to 1 May; from then on Basic, where it counts once still."""
    basic = flat_plan("basic", "30.00")
    subscription = subscribe_with(basic, percentage=Decimal(50), periods=3, plan_keys=["basic"], redemption_limit=1)
    pro = change(subscription, flat_plan("pro", "90.00")).successor
    with pytest.raises(Conflict, match="is not for this plan"):
        redeem(pro, "2026-04-17")
    back = change(pro, basic, "2026-05-01").successor
    redeem(back, "2026-05-02")
    carried = CouponRedemption.objects.get(item=base_of(back))
    # May is charged whole already: June is its last.
    assert (carried.effective_from, carried.effective_to) == (at("2026-06-01"), at("2026-07-01"))
    for day in ("2026-06-01", "2026-07-01"):
        run(day)
    assert totals()[-3:] == ["30.00", "15.00", "30.00"]


def test_a_coupon_that_stayed_behind_comes_too_late_for_its_last_period():
    basic = flat_plan("basic", "30.00")
    subscription = subscribe_with(basic, percentage=Decimal(50), periods=1, plan_keys=["basic"])
    pro = change(subscription, flat_plan("pro", "90.00"), "2026-04-10").successor
    back = change(pro, basic, "2026-04-16").successor
    with pytest.raises(Conflict, match="comes too late: its last period is charged already"):
        redeem(back, "2026-04-17")


def test_a_months_coupon_is_not_redeemed_again_on_a_year():
    yearly = flat_plan(
        "yearly",
        None,
        cards=(flat_card(name="Year", price=fee("360.00"), billing_cadence="P1Y"),),
        billing_cadence="P1Y",
    )
    subscription = subscribe_with(flat_plan("basic", "30.00"), percentage=Decimal(50), periods=24)
    successor = change(subscription, yearly, billing_anchor=at("2026-04-16")).successor
    with pytest.raises(Conflict, match="was redeemed on this item when it was billed by another cadence"):
        redeem(successor, "2026-04-17")


FIVE_OFF = {"amount": Decimal(5), "currency": "EUR", "periods": None}


def test_a_fixed_amount_is_divided_by_an_edit_as_by_a_change_of_plan():
    """25.00 was paid, 12.50 come back; 45.00 is charged, less half of 5.00. May takes the whole 5.00 again."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), **FIVE_OFF)
    card = RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence="P1M", price=fee("90.00"))
    with clock.frozen_at(at("2026-04-16")):
        edit_subscription(subscription=subscription, timing="immediate", edits=[AddItem("phase_1", card)])
    run("2026-05-01")
    assert totals() == ["25.00", "30.00", "85.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_no_pause_wins_a_fixed_amount_twice():
    """25.00 was paid, 12.50 come back and are charged again at once: 15.00 less half of 5.00."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), **FIVE_OFF)
    for verb in (pause_subscription, resume_subscription):
        with clock.frozen_at(at("2026-04-16")):
            verb(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
    run("2026-04-17")
    assert totals() == ["25.00", "12.50"]
    assert [gross for _, _, gross, _, _ in notes()] == ["12.50"]
    assert_books_are_clean("2026-04-17T00:30")


def test_usage_that_goes_on_over_a_change_of_plan_takes_a_fixed_amount_once():
    """100 calls at 1.00 in each half of April: 5.00 off in all, 2.50 from each plan."""
    feature = make_feature(key="calls", meter=make_meter())

    def metered(key):
        price = {"type": "unit", "amount": "1.00"}
        return flat_plan(key, None, cards=(usage_card(key="base", name=key, feature=feature, price=price),))

    subscription = subscribe_with(metered("basic"), **FIVE_OFF)
    for day in ("2026-04-10", "2026-04-20"):
        UsageEvent.objects.create(
            source="test",
            external_id=day,
            type="usage",
            subject="acme",
            time=at(day),
            data={"amount": "100"},
            ingested_at=at(day),
        )
    change(subscription, metered("pro"))
    run("2026-05-01")
    assert totals() == ["97.50", "97.50"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_first_period_that_is_short_takes_the_whole_fixed_amount():
    """20 of 30 days of 30.00 less 5.00: 15.00. Half of its time is left on the 21st, and half of what was paid."""
    Coupon.objects.create(code="C", **FIVE_OFF)
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-11", bill=False, billing_anchor=at("2026-04-01"))
    redeem(subscription, "2026-04-11")
    run("2026-04-11")
    result = change(subscription, flat_plan("pro", "90.00"), "2026-04-21")
    assert lines(result.invoice_ids[0]) == [("Pro fee", "27.50"), ("Unused part: Basic fee", "-7.50")]
    assert totals() == ["15.00", "20.00"]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"amount": Decimal(5), "currency": "EUR"}, ["25.00", "15.00", "25.00", "30.00"]),
        ({"percentage": Decimal(50)}, ["15.00", "7.50", "15.00", "30.00"]),
    ],
)
def test_a_period_that_is_extended_is_one_period_of_a_coupon(terms, expected):
    """Two periods of 30.00: the one from 1 April, which 15 more days make end on 16 May, and that from 16 May. 5.00
    are taken off each of them once; of half a period, half of 15.00 is taken off with 50 %."""
    subscription = subscribe_with(flat_plan("basic", "30.00"), **terms)
    with clock.frozen_at(at("2026-04-16")):
        update = ItemUpdate(product_id="base", quantity=Decimal(1), align=True, extend=True)
        update_item(subscription_id=subscription.pk, running_number=1, update=update)
    for on in ("2026-05-01", "2026-05-16", "2026-06-16"):
        run(on)
    assert totals() == expected
    assert_books_are_clean("2026-06-16T00:30")


def test_a_coupon_that_begins_in_the_time_by_which_a_period_is_extended_counts_it_as_a_period():
    """Redeemed when April is charged already: 5.00 off 15.00 for the 15 days more, and 5.00 off the next period."""
    Coupon.objects.create(code="C", amount=Decimal(5), currency="EUR", periods=2)
    subscription = subscribe(flat_plan("basic", "30.00"))
    redeem(subscription, "2026-04-10")
    with clock.frozen_at(at("2026-04-16")):
        update = ItemUpdate(product_id="base", quantity=Decimal(1), align=True, extend=True)
        update_item(subscription_id=subscription.pk, running_number=1, update=update)
    for on in ("2026-05-16", "2026-06-16"):
        run(on)
    assert totals() == ["30.00", "10.00", "25.00", "30.00"]
