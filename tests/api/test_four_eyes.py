"""Over REST the same limits hold, for the person who made the key, unless the key has the scope to act alone."""

import pytest

from core.ids import to_text
from customers.models import CustomerOverride
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Coupon
from tests.support.api import Api, refused
from tests.support.catalog import make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.closing import make_subscriber
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import make_staff

pytestmark = pytest.mark.django_db


def key_of_staff(*scopes):
    api = Api(*scopes)
    api.key.created_by = make_staff("Billing admin")
    api.key.save()
    return api


def pin(api, customer, profile):
    return api.put(f"/billing/customers/{to_text(customer.pk)}", {"billingProfileId": to_text(profile.pk)})


def subscribed(number):
    customer = make_customer(key=f"c{number}", name=f"Customer {number}")
    record_subscription(customer=customer, plan=make_plan(key=f"p{number}"), active_from=at("2026-03-01"))
    return customer


@pytest.fixture(autouse=True)
def limit_of_two(settings):
    settings.MIGRATION_TWO_PERSON_ABOVE = 2
    make_default_profile()


def test_pins_one_by_one_add_up_and_the_refusal_names_the_way():
    api, profile = key_of_staff("*"), enterprise()
    customers = [subscribed(number) for number in range(3)]
    assert [pin(api, customer, profile).status_code for customer in customers] == [200, 200, 403]
    answer = refused(pin(api, customers[2], profile), 403)
    assert answer["type"].endswith(":second_person_needed")
    assert "profile migration" in answer["detail"] and "approvals:write" in answer["detail"]
    assert CustomerOverride.objects.exclude(billing_profile=None).count() == 2


def test_a_customer_who_is_being_set_up_is_not_moved():
    api, profile = key_of_staff("*"), enterprise()
    customers = [make_customer(key=f"c{number}") for number in range(4)]
    assert [pin(api, customer, profile).status_code for customer in customers] == [200] * 4


def test_the_scope_and_a_key_of_the_installation_act_alone():
    profile = enterprise()
    customers = [subscribed(number) for number in range(3)]
    assert [pin(Api(), customer, profile).status_code for customer in customers] == [200] * 3
    api = key_of_staff("catalog:write", "approvals:write")
    assert api.post("/coupons", {"code": "LOYAL", "percentage": 80}).status_code == 201


def test_a_discount_and_tax_beyond_the_limits_are_refused():
    api = key_of_staff("*")
    answer = refused(api.post("/coupons", {"code": "LOYAL", "percentage": 80}), 403)
    assert "Above 50 %, a second person approves a discount." in answer["detail"]
    assert not Coupon.objects.exists()
    customer = make_subscriber(make_excess_plan())
    answer = api.put(f"/billing/customers/{to_text(customer.pk)}", {"workflow": {"tax": {"enabled": False}}})
    assert answer.status_code == 403, answer.content
    assert not CustomerOverride.objects.filter(tax_enabled=False).exists()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"itemKeys": ["base"], "planKeys": ["storage"]}, 200),
        ({"itemKeys": [], "planKeys": ["storage"]}, 403),
        ({"itemKeys": ["base", "usage"], "planKeys": ["storage"]}, 403),
        ({"itemKeys": ["base"], "planKeys": []}, 403),
        ({"itemKeys": ["base"], "planKeys": ["storage", "other"]}, 403),
    ],
)
def test_a_large_coupon_is_not_opened_to_other_items_or_plans(fields, status):
    Coupon.objects.create(code="LOYAL", percentage=80, item_keys=["base"], plan_keys=["storage"])
    answer = key_of_staff("*").put("/coupons/LOYAL", {"code": "LOYAL", "name": "x", "percentage": 80} | fields)
    assert answer.status_code == status, answer.content
