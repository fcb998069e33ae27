"""What one person may take off the plan's price for one customer: neither by steps nor by a detour (four eyes)."""

import pytest

from core import clock
from core.ids import to_text
from subscriptions.models import ItemRevision
from tests.support.api import Api, refused
from tests.support.catalog import flat_card, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.desk import make_staff
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

TIERS_OF_ZERO = [
    {"upToAmount": "10", "flatPrice": {"type": "flat", "amount": "0"}, "unitPrice": None},
    {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0"}},
]
TIERS = [{"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.01"}}]


@pytest.fixture
def api():
    """A key of staff, which counts as the person who made it."""
    api = Api("*")
    api.key.created_by = make_staff("Billing admin")
    api.key.save()
    return api


@pytest.fixture
def subscription():
    """50.00 a month, and 1.00 per 25 GB of storage."""
    return subscribe(make_plan(cards=(flat_card(), usage_card(feature=make_feature()))))


def flat(amount, key="base", cadence="P1M", **overrides):
    price = {"type": "flat", "amount": amount, "paymentTerm": "in_advance"}
    return {"type": "flat_fee", "key": key, "name": "Base", "billingCadence": cadence, "price": price} | overrides


def usage(price, key="storage"):
    card = {"type": "usage_based", "key": key, "name": "Usage", "featureKey": "storage", "billingCadence": "P1M"}
    return card | {"price": price}


def edit(api, subscription, *edits):
    with clock.frozen_at(at("2026-04-16")):
        answer = api.call("PATCH", f"/subscriptions/{to_text(subscription.pk)}", {"customizations": edits})
    return answer.status_code


def put(api, subscription, card, *before):
    return edit(api, subscription, *before, {"op": "add_item", "phaseKey": "phase_1", "rateCard": card})


def change(api, subscription, *cards, **overrides):
    phase = {"key": "only", "name": "Only", "rateCards": list(cards)}
    plan = {"name": "Special", "currency": "EUR", "billingCadence": "P1M", "phases": [phase]} | overrides
    body = {"customPlan": plan, "timing": "immediate"}
    with clock.frozen_at(at("2026-04-16")):
        return api.post(f"/subscriptions/{to_text(subscription.pk)}/change", body)


@pytest.mark.parametrize(
    ("card", "status"),
    [
        (flat("25.00"), 200),
        (flat("24.99"), 403),
        # 600.00 a year is what 50.00 a month come to.
        (flat("300.00", cadence="P1Y"), 200),
        (flat("299.99", cadence="P1Y"), 403),
        (flat("50.00", cadence="P1Y"), 403),
        # 50.00 a month are 600.00 in 365 days, and 23.02 in a fortnight.
        (flat("11.51", cadence="P2W"), 200),
        (flat("11.50", cadence="P2W"), 403),
        (usage({"type": "unit", "amount": "0.01"}), 200),  # another model: no single figure says how much
        (usage({"type": "unit", "amount": "0"}), 403),
        (usage({"type": "unit", "amount": "1", "maximumAmount": "0"}), 403),
        (usage({"type": "unit", "amount": "0", "minimumAmount": "5"}), 200),
        (usage({"type": "tiered", "mode": "graduated", "tiers": TIERS_OF_ZERO}), 403),
        (usage({"type": "tiered", "mode": "graduated", "tiers": TIERS}), 200),
    ],
)
def test_a_price_of_ones_own_is_measured_for_what_it_comes_to(api, subscription, card, status):
    assert put(api, subscription, card) == status
    assert ItemRevision.objects.filter(is_edited=True).exists() == (status == 200)


def test_another_key_for_the_same_feature_starts_no_list_of_its_own(api, subscription):
    package = {"type": "package", "amount": "0.40", "quantityPerPackage": "25"}
    remove = {"op": "remove_item", "phaseKey": "phase_1", "itemKey": "storage"}
    assert put(api, subscription, usage(package, key="gigabytes"), remove) == 403
    assert put(api, subscription, usage(package | {"amount": "0.50"}, key="gigabytes"), remove) == 200
    assert put(api, subscription, usage(package, key="gigabytes")) == 403


def test_a_plan_made_for_a_customer_is_measured_against_the_plan_before(api, subscription):
    answer = refused(change(api, subscription, flat("24.99")), 403)
    assert "Base would cost 50.02 % less than listed." in answer["detail"]
    refused(change(api, subscription, flat("50.00", cadence="P1Y")), 403)
    assert change(api, subscription, flat("25.00")).status_code == 200


def test_steps_by_plans_made_for_a_customer_add_up(api, subscription):
    answer = change(api, subscription, flat("30.00"))
    successor = answer.json()["next"]["id"]
    own = ItemRevision.objects.filter(item__subscription_id__isnull=False).latest("active_from").item.subscription
    assert to_text(own.pk) == successor
    refused(change(api, own, flat("20.00")), 403)
    assert edit(api, own, {"op": "add_item", "phaseKey": "only", "rateCard": flat("20.00")}) == 403
    assert change(api, own, flat("25.00")).status_code == 200


def test_a_plan_made_for_a_customer_with_nothing_like_it_passes(api, subscription):
    extra = flat("1.00", key="support", discounts={"percentage": {"percentage": 51}})
    assert change(api, subscription, flat("50.00"), extra).status_code == 403
    assert change(api, subscription, flat("50.00"), extra | {"discounts": None}).status_code == 200
