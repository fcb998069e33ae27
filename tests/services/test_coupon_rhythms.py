"""A coupon for some periods is held to the rhythm in which its item was billed when it was redeemed."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import Conflict
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon, CouponRedemption
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import notes, totals
from tests.support.subscriptions import change, edit, subscribe

pytestmark = pytest.mark.django_db


def coupon(code="HALF", **terms):
    return Coupon.objects.create(code=code, **{"percentage": Decimal(50), "periods": 1} | terms)


def redeem(subscription, on, code="HALF"):
    with clock.frozen_at(at(on)):
        return record_redemption(item=subscription.items.get(key="base"), code=code, at=at(on))


def card(cadence, amount):
    return RateCardTerms(key="base", name="Base", type="flat_fee", billing_cadence=cadence, price=fee(amount))


def once_then_monthly():
    """100.00 once at the beginning, 30.00 a month from May on, all of one item."""
    once = {"key": "setup", "duration": "P1M", "cards": (flat_card(price=fee("100.00"), billing_cadence=None),)}
    return make_plan(once, {"key": "paid", "cards": (flat_card(price=fee("30.00")),)}, key="basic")


class TestOneTimeFees:
    def test_a_coupon_for_some_periods_on_a_fee_of_once_reduces_that_fee_alone(self):
        coupon(periods=2)
        subscription = subscribe(once_then_monthly(), bill=False)
        redeem(subscription, "2026-04-01")
        for day in ("2026-04-01", "2026-05-01", "2026-06-01"):
            run(day)
        assert totals() == ["50.00", "30.00", "30.00"]
        assert_books_are_clean("2026-06-01T00:30")

    def test_one_without_end_reduces_the_months_too(self):
        coupon(periods=None)
        subscription = subscribe(once_then_monthly(), bill=False)
        redeem(subscription, "2026-04-01")
        for day in ("2026-04-01", "2026-05-01"):
            run(day)
        assert totals() == ["50.00", "15.00"]

    def test_among_the_months_it_is_used_up_and_another_one_has_its_turn(self):
        coupon(periods=2), coupon("QUARTER", percentage=Decimal(25))
        subscription = subscribe(once_then_monthly(), bill=False)
        redeem(subscription, "2026-04-01")
        run("2026-04-01")
        run("2026-05-01")
        with pytest.raises(Conflict, match="Coupon HALF was used up on this item"):
            redeem(subscription, "2026-05-10")
        redeem(subscription, "2026-05-10", "QUARTER")
        run("2026-06-01")
        run("2026-07-01")
        assert totals() == ["50.00", "30.00", "22.50", "30.00"]

    def test_a_change_of_plan_to_months_leaves_it_behind(self):
        coupon(periods=2)
        subscription = subscribe(
            flat_plan("once", None, cards=(flat_card(price=fee("100.00"), billing_cadence=None),)), bill=False
        )
        redeem(subscription, "2026-04-01")
        run("2026-04-01")
        change(subscription, flat_plan("pro", "30.00"), "2026-05-01")
        assert totals() == ["50.00", "30.00"]


class TestAnotherRhythmThatIsPlanned:
    """30.00 a month, and 360.00 a year from 1 May on: a coupon for a month never halves the year."""

    def test_it_is_refused_where_it_would_begin_with_the_year(self):
        coupon()
        subscription = subscribe(flat_plan("basic", "30.00"))
        edit(subscription, "2026-04-10", AddItem("phase_1", card("P1Y", "360.00")), timing="next_billing_cycle")
        with pytest.raises(Conflict, match="would begin when the item is billed by another cadence"):
            redeem(subscription, "2026-04-12")
        assert not CouponRedemption.objects.exists()

    def test_it_reduces_nothing_where_the_year_was_planned_later(self):
        """With April's periods from the year's begin on: 360.00 x 335 / 365 = 330.41 for 1 May to 1 April."""
        coupon()
        subscription = subscribe(flat_plan("basic", "30.00"))
        redeem(subscription, "2026-04-10")
        edit(subscription, "2026-04-12", AddItem("phase_1", card("P1Y", "360.00")), timing="next_billing_cycle")
        run("2026-05-01")
        assert totals() == ["30.00", "330.41"]
        assert_books_are_clean("2026-05-01T00:30")

    def test_one_without_end_is_redeemed_and_reduces_the_year(self):
        """330.41 less one half of it, 165.21 (165.205 rounds away from zero)."""
        coupon(periods=None)
        subscription = subscribe(flat_plan("basic", "30.00"))
        edit(subscription, "2026-04-10", AddItem("phase_1", card("P1Y", "360.00")), timing="next_billing_cycle")
        redeem(subscription, "2026-04-12")
        run("2026-05-01")
        assert totals() == ["30.00", "165.20"]


def test_time_that_is_billed_by_another_rhythm_uses_up_no_period():
    """Half off two months of 30.00. From 16 April to 16 June it is billed by the year: 345.21 less 7.50, of which 289
    of 365 days of 360.00 come back, 285.04. Half of June's 15.00, 7.50, is paid with that; 277.54 are left. May is no
    period of the coupon; July is 30.00."""
    coupon(periods=2)
    subscription = subscribe(flat_plan("basic", "30.00"), bill=False)
    redeem(subscription, "2026-04-01")
    run("2026-04-01")
    edit(subscription, "2026-04-16", AddItem("phase_1", card("P1Y", "360.00")))
    edit(subscription, "2026-06-16", AddItem("phase_1", card("P1M", "30.00")))
    assert CouponRedemption.objects.get().effective_to == at("2026-07-01")
    run("2026-07-01")
    assert totals() == ["15.00", "337.71", "0.00", "30.00"]
    assert [note[1] for note in notes()] == ["277.54"]
    assert_books_are_clean("2026-07-01T00:30")
