"""A coupon that goes along with a change of plan before it begins is held to its rhythm there, too."""

from decimal import Decimal

import pytest

from core import clock
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import totals
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def half_a_month_then(first, then, price):
    """A plan of 40.00 by the cadence `first` for 15 days, and of `price` by another one from there on."""
    beginning = {"key": "first", "duration": "P15D", "cards": (flat_card(price=fee("40.00"), billing_cadence=first),)}
    rest = {"key": "then", "cards": (flat_card(price=fee(price), billing_cadence=then),)}
    return make_plan(beginning, rest, key="pro")


@pytest.fixture
def subscription():
    """30.00 a month, April charged; half off for May and June, redeemed on 10 April."""
    Coupon.objects.create(code="C", percentage=Decimal(50), periods=2)
    subscription = subscribe(flat_plan("basic", "30.00"))
    with clock.frozen_at(at("2026-04-10")):
        record_redemption(item=subscription.items.get(), code="C", at=at("2026-04-10"))
    return subscription


def test_one_of_months_that_begins_when_the_new_plan_bills_by_the_year_takes_nothing_off_it(subscription):
    """15 of 30 days of 40.00, less 15.00 that come back; then 335 of 365 days of 360.00, to where the years begin."""
    change(subscription, half_a_month_then("P1M", "P1Y", "360.00"), "2026-04-16")
    run("2026-05-01")
    assert totals() == ["30.00", "5.00", "330.41"]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize(("first", "charged"), [("P1Y", "0.00"), (None, "25.00")])
def test_one_of_months_that_begins_when_the_new_plan_bills_by_the_month_has_its_months(subscription, first, charged):
    """Until then the new plan bills by the year, 15 of 365 days of 40.00, which what comes back takes to nothing; or
    once, 40.00, less 15.00 that come back."""
    change(subscription, half_a_month_then(first, "P1M", "60.00"), "2026-04-16")
    for day in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(day)
    assert totals() == ["30.00", charged, "30.00", "30.00", "60.00"]
    assert_books_are_clean("2026-07-01T00:30")
