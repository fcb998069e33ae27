"""Of two coupons on one item one at a time takes something off, the older one first; the other's periods wait."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import Conflict
from invoicing.drafts.delete_draft import delete_draft
from invoicing.models import Invoice
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon, CouponRedemption
from tests.support.books import assert_books_are_clean
from tests.support.catalog import flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import totals
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db

FIRST_OF_MONTHS = ("2026-04-01", "2026-05-01", "2026-06-01", "2026-07-01")


def redeem(subscription, code, key="base", on="2026-04-01", **terms):
    Coupon.objects.create(code=code, **terms)
    with clock.frozen_at(at(on)):
        return record_redemption(item=subscription.items.get(key=key), code=code, at=at(on))


def end_of(code):
    return max(CouponRedemption.objects.filter(coupon__code=code).values_list("effective_to", flat=True))


def with_two(first, second, fee="100.00"):
    subscription = subscribe(flat_plan("basic", fee), bill=False)
    redeem(subscription, "A", **first)
    redeem(subscription, "B", **second)
    return subscription


HALF = {"percentage": Decimal(50), "periods": 1}
QUARTER = {"percentage": Decimal(25), "periods": 2}


def test_the_second_coupon_has_all_its_periods_once_the_first_is_over():
    """100.00 less one half, then twice less a quarter."""
    with_two(HALF, QUARTER)
    assert end_of("B") == at("2026-06-01")  # what is known: April is not billed yet
    for day in FIRST_OF_MONTHS:
        run(day)
    assert totals() == ["50.00", "75.00", "75.00", "100.00"]
    assert (end_of("A"), end_of("B")) == (at("2026-05-01"), at("2026-07-01"))
    assert_books_are_clean("2026-07-01T00:30")


def test_so_it_is_where_one_late_close_bills_all_of_it():
    with_two(HALF, QUARTER)
    run("2026-07-01")
    assert totals() == ["300.00"]
    assert end_of("B") == at("2026-07-01")


def test_fixed_amounts_come_one_after_the_other_too():
    """30.00 less 5.00, less 10.00, then the whole."""
    euros = {"currency": "EUR", "periods": 1}
    with_two(euros | {"amount": Decimal(5)}, euros | {"amount": Decimal(10)}, fee="30.00")
    for day in FIRST_OF_MONTHS[:3]:
        run(day)
    assert totals() == ["25.00", "20.00", "30.00"]


def test_a_month_without_usage_is_a_period_of_neither():
    """April: none. May: 100 less one half. June: 100 less a quarter. July: 100."""
    feature = make_feature(key="calls", name="Calls", meter=make_meter())
    card = usage_card(key="calls", name="Calls", feature=feature, price={"type": "unit", "amount": "1.00"})
    subscription = subscribe(flat_plan("calls", None, cards=(card,)), bill=False)
    redeem(subscription, "A", key="calls", **HALF)
    redeem(subscription, "B", key="calls", **(QUARTER | {"periods": 1}))
    for month in ("05", "06", "07"):
        use(f"2026-{month}-10", "100")
    for day in ("2026-05-01", "2026-06-01", "2026-07-01", "2026-08-01"):
        run(day)
    assert totals() == ["0.00", "50.00", "75.00", "100.00"]
    assert_books_are_clean("2026-08-01T00:30")


def test_a_change_of_plan_takes_both_along_in_their_order():
    """30.00 to 90.00 on the 16th, April half off: -7.50 + 22.50. May is 90.00 less a quarter, June the whole."""
    subscription = with_two(HALF, QUARTER | {"periods": 1}, fee="30.00")
    run("2026-04-01")
    change(subscription, flat_plan("pro", "90.00"))
    run("2026-05-01")
    run("2026-06-01")
    assert totals() == ["15.00", "15.00", "67.50", "90.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_other_boundaries_leave_the_second_coupon_its_whole_period():
    """From 16 April on billed on the 16th: -7.50 + 45.00; the first coupon lasts until 1 June, 16 of the 31 days from
    16 May on, so that half of 46.45 comes off; then 90.00 less a quarter, and the whole."""
    subscription = with_two(HALF | {"periods": 2}, QUARTER | {"periods": 1}, fee="30.00")
    run("2026-04-01")
    change(subscription, flat_plan("pro", "90.00"), billing_anchor=at("2026-04-16"))
    for day in ("2026-05-16", "2026-06-16", "2026-07-16"):
        run(day)
    assert totals() == ["15.00", "37.50", "66.77", "67.50", "90.00"]
    assert_books_are_clean("2026-07-16T00:30")


def test_a_draft_whose_period_is_billed_again_is_decided_again():
    with_two(HALF, QUARTER)
    make_default_profile(draft_period="P1D")
    run("2026-04-01")
    with clock.frozen_at(at("2026-04-01")):
        delete_draft(invoice=Invoice.objects.get(status__startswith="draft."), rebill=True, reason="a slip")
    make_default_profile(draft_period="PT0S")
    assert end_of("B") == at("2026-06-01")
    for day in FIRST_OF_MONTHS:
        run(day)
    assert totals() == ["50.00", "75.00", "75.00", "100.00"]


def test_behind_a_coupon_without_an_end_another_is_refused_and_not_counted():
    subscription = subscribe(flat_plan("basic", "100.00"), bill=False)
    redeem(subscription, "A", percentage=Decimal(10), periods=None)
    with pytest.raises(Conflict, match="B would take nothing off: A reduces this item, and has no end; nothing was"):
        redeem(subscription, "B", **HALF)
    assert CouponRedemption.objects.count() == 1
    # The other way round each has its time: the one without an end comes last.
    other = subscribe(flat_plan("other", "100.00"), bill=False)
    with clock.frozen_at(at("2026-04-01")):
        for code in ("B", "A"):
            record_redemption(item=other.items.get(key="base"), code=code, at=at("2026-04-01"))
    run("2026-04-01")
    run("2026-05-01")
    assert sorted(totals()) == ["140.00", "180.00"]
