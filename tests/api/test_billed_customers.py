import pytest

from core import clock
from customers.models import Customer
from invoicing.choices import InvoiceStatus
from invoicing.models import Invoice
from subscriptions.models import Subscription
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_plan
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def plan(db):
    make_default_profile()
    return make_plan(key="gold")


@pytest.fixture
def subscription(api):
    make_customer(currency=None)
    return data(api.post("/subscriptions", {"customerKey": "acme", "plan": {"key": "gold"}}), 201)


def test_a_customer_shows_its_running_subscription(api, subscription):
    assert data(api.get("/customers/acme"))["currentSubscriptionId"] == subscription["id"]
    (listed,) = data(api.get("/customers?planKey=gold"))["items"]
    assert listed["currentSubscriptionId"] == subscription["id"]
    assert "subscriptions" not in listed
    assert data(api.get("/customers?planKey=silver"))["items"] == []


def test_subscriptions_are_expanded_where_asked_for(api, subscription):
    assert data(api.get("/customers/acme?expand=subscriptions"))["subscriptions"] == [subscription]
    (listed,) = data(api.get("/customers?expand=subscriptions"))["items"]
    assert [shown["id"] for shown in listed["subscriptions"]] == [subscription["id"]]
    assert fields_at_fault(api.get("/customers?expand=invoices")) == {"expand": "invalid"}


def test_the_number_of_queries_does_not_grow_with_the_list(api, subscription, django_assert_num_queries):
    data(api.get("/customers"))
    with django_assert_num_queries(5):  # test clock, key, customers, subjects, subscriptions with their plans
        data(api.get("/customers?expand=subscriptions"))
    for number in range(29):
        make_customer(key=f"c{number}", name=f"C{number}")
    with django_assert_num_queries(5):
        assert len(data(api.get("/customers?expand=subscriptions"))["items"]) == 30


def test_a_customer_with_a_running_subscription_cant_be_deleted(api, subscription):
    assert "1 running subscription" in refused(api.delete("/customers/acme"), 409)["detail"]
    assert Customer.objects.get().deleted_at is None


def test_a_customer_whose_business_is_settled_can_be_deleted(api, subscription):
    Subscription.objects.update(active_to=clock.now(), next_billing_at=None)
    Invoice.objects.update(status=InvoiceStatus.DELETED)
    data(api.delete("/customers/acme"), 204)


def test_the_currency_of_open_business_stays(api, subscription):
    assert data(api.get("/customers/acme"))["currency"] == "EUR"
    refused(api.put("/customers/acme", {"name": "Acme", "key": "acme", "currency": "USD"}), 409)
    assert data(api.put("/customers/acme", {"name": "Acme Ltd", "key": "acme"}))["currency"] == "EUR"
    Subscription.objects.update(active_to=clock.now(), next_billing_at=None)
    Invoice.objects.update(status=InvoiceStatus.DELETED)
    assert data(api.put("/customers/acme", {"name": "Acme", "key": "acme", "currency": "USD"}))["currency"] == "USD"
