"""What is taken off counts by its effect, not by its form: free units, free time, a coupon beside an own price."""

from decimal import Decimal

import pytest

from core import clock
from core.approvals.models import ChangeRequest
from core.ids import to_text
from invoicing.models import InvoiceLine
from subscriptions.models import Coupon, CouponRedemption, ItemRevision
from tests.support.api import Api, refused
from tests.support.catalog import flat_card, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.desk import Desk, make_staff, verb_url
from tests.support.subscriptions import subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db

UNIT = {"type": "unit", "amount": "1.00"}


@pytest.fixture
def api():
    """A key of staff, which counts as the person who made it."""
    api = Api("*")
    api.key.created_by = make_staff("Billing admin", "maker")
    api.key.save()
    return api


def usage(free=None, price=UNIT, **overrides):
    discounts = {"usage": {"quantity": str(free)}} if free is not None else None
    card = {"type": "usage_based", "key": "storage", "name": "Usage", "featureKey": "storage", "billingCadence": "P1M"}
    return card | {"price": price, "discounts": discounts} | overrides


def flat(amount, key="base", **overrides):
    price = {"type": "flat", "amount": amount, "paymentTerm": "in_advance"}
    return {"type": "flat_fee", "key": key, "name": "Base", "billingCadence": "P1M", "price": price} | overrides


def edit(api, subscription, *edits, on="2026-05-16"):
    with clock.frozen_at(at(on)):
        return api.call("PATCH", f"/subscriptions/{to_text(subscription.pk)}", {"customizations": edits})


def put(api, subscription, card, **options):
    return edit(api, subscription, {"op": "add_item", "phaseKey": "phase_1", "rateCard": card}, **options)


def change(api, subscription, *phases):
    plan = {"name": "Special", "currency": "EUR", "billingCadence": "P1M", "phases": phases}
    with clock.frozen_at(at("2026-05-16")):
        body = {"customPlan": plan, "timing": "immediate"}
        return api.post(f"/subscriptions/{to_text(subscription.pk)}/change", body)


class TestFreeUnits:
    @pytest.fixture
    def subscription(self):
        """50.00 a month, and 1.00 per unit: 100 of them were billed for April."""
        feature = make_feature(meter=make_meter())
        subscription = subscribe(make_plan(cards=(flat_card(), usage_card(feature=feature, price=UNIT))))
        use("2026-04-10", 100)
        run("2026-05-03")
        return subscription

    @pytest.mark.parametrize(
        ("card", "status"),
        [
            (usage(50), 200),
            (usage(51), 403),
            (usage(1000000), 403),
            # 0.80 for each of 60 that are left are 48.00 of 100.00.
            (usage(40, {"type": "unit", "amount": "0.80"}), 403),
            # Across models: 4 packages of 25, at 12.50 and 12.49 each.
            (usage(price={"type": "package", "amount": "12.50", "quantityPerPackage": "25"}), 200),
            (usage(price={"type": "package", "amount": "12.49", "quantityPerPackage": "25"}), 403),
            # A cap at what is half of the period.
            (usage(price=UNIT | {"maximumAmount": "50"}), 200),
            (usage(price=UNIT | {"maximumAmount": "49.99"}), 403),
        ],
    )
    def test_they_are_measured_by_the_period_that_was_billed_last(self, api, subscription, card, status):
        answer = put(api, subscription, card)
        assert answer.status_code == status, answer.content
        assert ItemRevision.objects.filter(is_edited=True).exists() == (status == 200)

    def test_small_steps_add_up(self, api, subscription):
        assert put(api, subscription, usage(30)).status_code == 200
        answer = refused(put(api, subscription, usage(60), on="2026-05-17"), 403)
        assert "Usage would cost 60 % less than listed." in answer["detail"]

    def test_a_plan_made_for_the_customer_is_no_detour(self, api, subscription):
        phase = {"key": "only", "name": "Only", "rateCards": [flat("50.00"), usage(51)]}
        assert "Usage would cost 51 % less than listed." in refused(change(api, subscription, phase), 403)["detail"]

    def test_the_page_that_asks_says_so(self, subscription):
        with clock.frozen_at(at("2026-05-16")):
            desk = Desk("Finance clerk")
            url = f"{verb_url(subscription, 'edit-price')}?item=1"
            form = desk.get(url).context["form"]
            typed = {bound.html_name: bound.value() or "" for bound in form if bound.html_name != "tiers"}
            typed |= {"timing": "immediate", "reason": "x", "item": "1", "model": "flat", "amount": "24.00"}
            page = desk.post(url, {name: value for name, value in typed.items() if value is not False})
            assert "A second person is needed." in page.content.decode()
            assert "would cost 52 % less than listed." in page.content.decode()


@pytest.mark.parametrize(("free", "status"), [(1000, 200), (1001, 403)])
def test_free_units_of_what_was_never_billed_count_as_a_fixed_amount(api, free, status):
    subscription = subscribe(make_plan(cards=(flat_card(), usage_card(feature=make_feature(), price=UNIT))))
    answer = put(api, subscription, usage(free))
    assert answer.status_code == status, answer.content
    if status == 403:
        assert "Usage would have units worth 1001 EUR free." in answer.json()["detail"]


@pytest.mark.parametrize(("minimum", "status"), [("50", 200), ("49.99", 403), (None, 403)])
def test_a_minimum_spend_is_lowered_to_half_alone(api, minimum, status):
    listed = usage_card(feature=make_feature(), price=UNIT | {"minimumAmount": "100"})
    subscription = subscribe(make_plan(cards=(flat_card(), listed)))
    price = UNIT | ({"minimumAmount": minimum} if minimum else {})
    assert put(api, subscription, usage(price=price)).status_code == status


class TestFreeTime:
    @pytest.fixture
    def subscription(self):
        """A month free from 1 April, then 50.00 a month."""
        free = {"key": "trial", "duration": "P1M", "cards": (flat_card(price=None),)}
        return subscribe(make_plan(free, {"key": "paid", "cards": (flat_card(),)}))

    def stretch(self, api, subscription, by, on="2026-04-10"):
        return edit(api, subscription, {"op": "stretch_phase", "phaseKey": "trial", "extendBy": by}, on=on)

    @pytest.mark.parametrize(("by", "status"), [("P15D", 200), ("P16D", 403), ("P1Y", 403)])
    def test_a_free_phase_is_stretched_by_half_a_billing_period_alone(self, api, subscription, by, status):
        answer = self.stretch(api, subscription, by)
        assert answer.status_code == status, answer.content
        if by == "P16D":
            assert "would be charged next to nothing for 16 days more than listed." in answer.json()["detail"]

    def test_small_steps_add_up(self, api, subscription):
        assert self.stretch(api, subscription, "P10D").status_code == 200
        assert self.stretch(api, subscription, "P10D", on="2026-04-11").status_code == 403

    @pytest.mark.parametrize(("days", "status"), [("P15D", 200), ("P16D", 403)])
    def test_a_free_phase_is_added_by_two(self, api, subscription, days, status):
        phase = {"op": "add_phase", "phase": {"key": "gift", "name": "Gift", "startAfter": "P1M", "duration": days}}
        card = flat("1.00", key="gift") | {"price": None}
        item = {"op": "add_item", "phaseKey": "gift", "rateCard": card}
        answer = edit(api, subscription, phase, item, on="2026-04-10")
        assert answer.status_code == status, answer.content

    def test_a_phase_without_anything_gives_nothing(self, api, subscription):
        phase = {"key": "break", "name": "Break", "startAfter": "P2M", "duration": "P1M"}
        assert edit(api, subscription, {"op": "add_phase", "phase": phase}, on="2026-04-10").status_code == 200

    def test_a_plan_made_for_one_customer_begins_with_half_a_period_free(self, api, subscription):
        paid = {"key": "paid", "name": "Paid", "rateCards": [flat("50.00", key="fee")]}
        free = {"key": "gift", "name": "Gift", "rateCards": [flat("50.00", key="fee") | {"price": None}]}
        assert change(api, subscription, free | {"duration": "P16D"}, paid).status_code == 403
        answer = change(api, subscription, free | {"duration": "P15D"}, paid)
        assert answer.status_code == 200, answer.content

    def test_a_phase_far_cheaper_is_as_good_as_free(self, api):
        cheap = {"key": "trial", "duration": "P1M", "cards": (flat_card(price=flat("1.00")["price"]),)}
        subscription = subscribe(make_plan(cheap, {"key": "paid", "cards": (flat_card(),)}))
        assert self.stretch(api, subscription, "P16D").status_code == 403
        assert self.stretch(api, subscription, "P15D").status_code == 200


class TestCoupons:
    @pytest.fixture
    def subscription(self):
        Coupon.objects.create(code="TEN", percentage=10, periods=None)
        Coupon.objects.create(code="FIVE", amount=5, currency="EUR", periods=None)
        Coupon.objects.create(code="BIG", percentage=80, periods=None)
        return subscribe(make_plan(cards=(flat_card(),)), "2026-05-01")

    def redeem(self, api, subscription, code, on="2026-05-17"):
        with clock.frozen_at(at(on)):
            url = f"/subscriptions/{to_text(subscription.pk)}/items/1/coupons"
            return api.post(url, {"couponCode": code})

    def test_beside_a_price_of_ones_own_it_is_measured_together(self, api, subscription):
        assert put(api, subscription, flat("27.50")).status_code == 200
        # 24.75 of 50.00, and 22.50 of 50.00.
        for code, off in (("TEN", "50.5"), ("FIVE", "55")):
            answer = refused(self.redeem(api, subscription, code), 403)
            assert f"With the coupon, Base would cost {off} % less than listed." in answer["detail"]
        assert not CouponRedemption.objects.exists()

    def test_also_where_an_update_of_the_item_redeems_it(self, api, subscription):
        assert put(api, subscription, flat("27.50")).status_code == 200
        with clock.frozen_at(at("2026-05-17")):
            body = {"productId": "base", "quantity": "1", "couponCode": "TEN"}
            answer = refused(api.put(f"/subscriptions/{to_text(subscription.pk)}/items/1", body), 403)
        assert "With the coupon, Base would cost 50.5 % less than listed." in answer["detail"]

    def test_at_the_desk_the_page_that_asks_says_so(self, api, subscription):
        assert put(api, subscription, flat("27.50")).status_code == 200
        desk = Desk("Finance clerk")
        with clock.frozen_at(at("2026-05-17")):
            typed = {"item": "1", "code": "TEN", "reason": "Loyal"}
            page = desk.post(verb_url(subscription, "redeem-coupon"), typed).content.decode()
            assert "With the coupon, Base fee would cost" in page or "With the coupon, Base would cost 50.5 %" in page
            desk.do(subscription, "redeem-coupon", **typed)
        assert ChangeRequest.objects.count() == 1
        assert not CouponRedemption.objects.exists()

    def test_of_two_coupons_one_counts_at_a_time(self, api, subscription):
        Coupon.objects.create(code="ONCE", percentage=20, periods=1)
        assert self.redeem(api, subscription, "ONCE").status_code == 201
        assert self.redeem(api, subscription, "FIVE").status_code == 201
        refusal = refused(self.redeem(api, subscription, "TEN"), 409)["detail"]
        assert refusal == (
            "Coupon TEN would take nothing off: FIVE reduces this item, and has no end; nothing was changed."
        )
        # 50.00 less 20 %, and not another 5.00 less; then 5.00 less.
        for day, total in (("2026-06-01", "40.00"), ("2026-07-01", "45.00")):
            run(day)
            assert InvoiceLine.objects.get(invoice__issued_at=at(day)).total == Decimal(total)

    def test_what_two_approved_is_not_measured_again_with_the_next_coupon_nor_when_it_is_redeemed_twice(
        self, api, subscription
    ):
        """20 % off 27.50 leaves 22.00 of 50.00, which two gave; 5 % off leaves 26.125, 47.75 % less than listed."""
        for code, off in (("TWENTY", 20), ("SMALL", 5), ("LARGE", 10)):
            Coupon.objects.create(code=code, percentage=off, periods=1)
        assert put(api, subscription, flat("27.50")).status_code == 200
        assert self.redeem(api, subscription, "TWENTY").status_code == 403
        assert self.redeem(Api(), subscription, "TWENTY").status_code == 201
        assert self.redeem(api, subscription, "TWENTY").status_code == 201
        assert self.redeem(api, subscription, "SMALL").status_code == 201
        assert self.redeem(api, subscription, "LARGE").status_code == 403

    def test_so_is_a_price_of_ones_own_beside_a_coupon(self, api, subscription):
        assert self.redeem(api, subscription, "TEN", on="2026-05-16").status_code == 201
        assert put(api, subscription, flat("27.50"), on="2026-05-17").status_code == 403
        assert put(api, subscription, flat("28.00"), on="2026-05-17").status_code == 200

    def test_a_coupon_that_two_approved_is_redeemed_alone(self, api, subscription):
        assert self.redeem(api, subscription, "BIG").status_code == 201
