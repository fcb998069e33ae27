from decimal import Decimal

import pytest

from core import clock
from core.errors import Conflict, InvalidInput
from subscriptions.catalog.archive_coupon import archive_coupon
from subscriptions.catalog.save_coupon import CouponFacts, create_coupon, replace_coupon
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon, CouponRedemption, Subscription
from tests.support.catalog import flat_card, make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.subscriptions import billed_items

pytestmark = pytest.mark.django_db
HALF = CouponFacts(code="HALF", percentage=Decimal(50), periods=2)


@pytest.fixture(autouse=True)
def _on_10_april():
    with clock.frozen_at(at("2026-04-10")):
        yield


def test_on_usage_a_coupon_counts_from_the_current_period_on():
    create_coupon(facts=HALF)
    redemption = record_redemption(item=billed_items(make_excess_plan())["storage"], code="HALF", at=at("2026-04-10"))
    assert (redemption.effective_from, redemption.effective_to) == (at("2026-04-01"), at("2026-06-01"))
    assert Subscription.objects.get().reconcile_from == at("2026-04-01")


def test_on_a_fee_charged_in_advance_a_coupon_counts_from_the_next_period_on():
    create_coupon(facts=HALF)
    redemption = record_redemption(item=billed_items(make_excess_plan())["base"], code="HALF", at=at("2026-04-10"))
    assert (redemption.effective_from, redemption.effective_to) == (at("2026-05-01"), at("2026-07-01"))


def test_a_coupon_without_periods_lasts_forever():
    create_coupon(facts=CouponFacts(code="ALWAYS", amount=Decimal("5.00"), currency="EUR", periods=None))
    item = billed_items(make_excess_plan())["storage"]
    assert record_redemption(item=item, code="ALWAYS", at=at("2026-04-10")).effective_to is None


def test_a_one_time_fee_takes_a_coupon_until_it_is_charged():
    create_coupon(facts=HALF)
    item = billed_items(make_plan(cards=(flat_card(billing_cadence=None),)))["base"]
    with pytest.raises(Conflict, match="came too late: the item is charged once"):
        record_redemption(item=item, code="HALF", at=at("2026-04-10"))
    assert record_redemption(item=item, code="HALF", at=at("2026-04-01")).effective_from == at("2026-04-01")


def test_a_coupon_that_still_runs_is_not_counted_twice():
    create_coupon(facts=HALF)
    item = billed_items(make_excess_plan())["storage"]
    first = record_redemption(item=item, code="HALF", at=at("2026-04-10"))
    assert record_redemption(item=item, code="HALF", at=at("2026-05-31")) == first
    with pytest.raises(Conflict, match="Coupon HALF was used up on this item; nothing was changed"):
        record_redemption(item=item, code="HALF", at=at("2026-06-01"))


def test_an_unknown_coupon_is_refused():
    with pytest.raises(InvalidInput, match="There is no coupon NOPE"):
        record_redemption(item=billed_items(make_excess_plan())["base"], code="NOPE", at=at("2026-04-10"))


@pytest.mark.parametrize(
    ("facts", "because"),
    [
        ({"expires_at": at("2026-04-10")}, "expired on 2026-04-10 00:00 UTC"),
        ({"item_keys": ["other"]}, "is not for item base"),
        ({"plan_keys": ["other"]}, "is not for this plan"),
        ({"percentage": None, "amount": Decimal(5), "currency": "USD"}, "is in USD, but the subscription is billed"),
    ],
)
def test_a_coupon_is_refused_when_expired_out_of_scope_or_of_another_currency(facts, because):
    create_coupon(facts=CouponFacts(**({"code": "C", "percentage": Decimal(50)} | facts)))
    with pytest.raises(Conflict, match=because):
        record_redemption(item=billed_items(make_excess_plan())["base"], code="C", at=at("2026-04-10"))
    assert not CouponRedemption.objects.exists()


def test_a_coupon_is_redeemed_up_to_its_limit():
    create_coupon(facts=CouponFacts(code="C", percentage=Decimal(50), redemption_limit=1))
    items = billed_items(make_excess_plan())
    record_redemption(item=items["base"], code="C", at=at("2026-04-10"))
    with pytest.raises(Conflict, match="was redeemed 1 times, which is its limit"):
        record_redemption(item=items["storage"], code="C", at=at("2026-04-10"))


def test_an_archived_coupon_goes_on_where_it_was_redeemed_but_is_not_redeemed_again():
    coupon = create_coupon(facts=HALF)
    items = billed_items(make_excess_plan())
    record_redemption(item=items["base"], code="HALF", at=at("2026-04-10"))
    archive_coupon(coupon=coupon)
    assert CouponRedemption.objects.count() == 1
    with pytest.raises(Conflict, match="is archived"):
        record_redemption(item=items["storage"], code="HALF", at=at("2026-04-10"))


def test_a_coupon_never_redeemed_is_deleted_and_its_code_is_free():
    archive_coupon(coupon=create_coupon(facts=HALF))
    assert not Coupon.objects.exists()
    create_coupon(facts=HALF)


def test_what_a_redeemed_coupon_takes_off_stays():
    coupon = create_coupon(facts=HALF)
    record_redemption(item=billed_items(make_excess_plan())["base"], code="HALF", at=at("2026-04-10"))
    with pytest.raises(Conflict, match="was redeemed, so its percentage stays"):
        replace_coupon(coupon=coupon, facts=CouponFacts(code="HALF", percentage=Decimal(60), periods=2))
    replaced = replace_coupon(
        coupon=coupon, facts=CouponFacts(code="HALF", percentage=Decimal(50), periods=2, name="Half")
    )
    assert replaced.name == "Half"


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({}, "percentage"),
        ({"percentage": Decimal(50), "amount": Decimal(5)}, "percentage"),
        ({"percentage": Decimal(101)}, "percentage"),
        ({"percentage": Decimal(50), "currency": "EUR"}, "currency"),
        ({"amount": Decimal(5)}, "currency"),
        ({"amount": Decimal("5.001"), "currency": "EUR"}, "amount"),
        ({"amount": Decimal("-5"), "currency": "EUR"}, "amount"),
        ({"percentage": Decimal(50), "periods": 0}, "periods"),
    ],
)
def test_impossible_terms_are_refused(facts, field):
    with pytest.raises(InvalidInput) as refusal:
        create_coupon(facts=CouponFacts(code="C", **facts))
    assert refusal.value.problems[0].field == field


def test_a_code_is_given_once():
    create_coupon(facts=HALF)
    with pytest.raises(Conflict, match="There is a coupon HALF already"):
        create_coupon(facts=HALF)
