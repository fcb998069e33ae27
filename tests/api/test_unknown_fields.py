"""A field that an endpoint doesn't know is a 400 that names it, at whatever depth; what it has shown may come back."""

import copy

import pytest

from entitlements.models import UsageEvent
from subscriptions.models import Subscription
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_feature, make_meter, make_plan
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

ID = "01G65Z755AFWAKHE12NY0CQ9FH"
CARD = {
    "type": "usage_based",
    "key": "storage",
    "name": "Storage",
    "featureKey": "storage",
    "billingCadence": "P1M",
    "metadata": {"anything": "goes"},
    "price": {
        "type": "tiered",
        "mode": "graduated",
        "tiers": [{"unitPrice": {"type": "unit", "amount": "1"}}],
    },
    "discounts": {"percentage": {"percentage": 10}},
    "taxConfig": {"behavior": "exclusive", "stripe": {"code": "txcd_10000000"}},
    "entitlementTemplate": {"type": "boolean"},
}
PLAN = {
    "key": "pro",
    "name": "Pro",
    "currency": "EUR",
    "billingCadence": "P1M",
    "phases": [{"key": "main", "name": "Main", "rateCards": [CARD]}],
}


@pytest.fixture
def api(db):
    """A caller that may do everything, with a subscription to look at."""
    make_default_profile()
    make_feature(meter=make_meter(group_by={"model": "$.model"}))
    make_plan(key="gold")
    make_customer()
    return Api()


@pytest.fixture
def subscription(api):
    return data(api.post("/subscriptions", {"customerKey": "acme", "plan": {"key": "gold"}}), 201)


def with_field(body, path):
    """A copy of the body with a field more, at a dotted path."""
    changed = copy.deepcopy(body)
    *way, name = path.split(".")
    inner = changed
    for step in way:
        inner = inner[int(step) if step.isdigit() else step]
    inner[name] = "x"
    return changed


@pytest.mark.parametrize(
    "path",
    [
        "phase",
        "proRating",
        "phases.0.ratecards",
        "phases.0.rateCards.0.cadence",
        "phases.0.rateCards.0.price.minimum",
        "phases.0.rateCards.0.price.tiers.0.upTo",
        "phases.0.rateCards.0.price.tiers.0.unitPrice.currency",
        "phases.0.rateCards.0.discounts.absolute",
        "phases.0.rateCards.0.discounts.percentage.percent",
        "phases.0.rateCards.0.taxConfig.behaviour",
        "phases.0.rateCards.0.taxConfig.stripe.tax",
        "phases.0.rateCards.0.entitlementTemplate.isSoftLimit",
    ],
)
def test_a_plan_names_the_field_at_whatever_depth(api, path):
    assert fields_at_fault(api.post("/plans", with_field(PLAN, path))) == {path: "unknown_field"}


def test_the_same_plan_without_it_is_taken(api):
    shown = data(api.post("/plans", PLAN), 201)
    assert shown["phases"][0]["rateCards"][0]["metadata"] == {"anything": "goes"}


def test_the_message_names_the_known_fields_and_the_other_faults_too(api):
    response = api.post("/payments", {"invoice": ID, "amount": "-1", "currency": "EUR", "receivedAt": "today"})
    first, *others = refused(response, 400)["extensions"]["validationErrors"]
    assert first == {
        "field": "invoice",
        "code": "unknown_field",
        "message": "There is no such field. Known here: invoiceId, amount, currency, receivedAt, reference, another.",
    }
    assert {each["field"] for each in others} == {"invoiceId", "amount", "receivedAt"}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"cancel": {"timing": "next_billing_cycle"}}, {"cancel": "unknown_field"}),
        ({"timming": "next_billing_cycle"}, {"timming": "unknown_field"}),
        ({"timing": "immediate", "quantities": {"seats": "5"}}, {"quantities": "unknown_field"}),
        ({"pause": {"timming": "immediate"}}, {"pause.timming": "unknown_field"}),
        ({"unschedule": {"timing": "immediate"}}, {"unschedule.timing": "unknown_field"}),
        (
            {"plan": {"key": "gold"}, "customizations": [{"op": "unschedule_edit"}]},
            {"plan": "stands_alone", "customizations": "stands_alone"},
        ),
        (
            {"customizations": [{"op": "remove_item", "phaseKey": "a", "itemKey": "b", "shift": "next"}]},
            {"customizations.0.shift": "unknown_field"},
        ),
    ],
)
def test_a_preview_of_nothing_that_we_know_previews_nothing(api, subscription, body, fault):
    response = api.post(f"/subscriptions/{subscription['id']}/preview-change", body)
    assert fields_at_fault(response) == fault


@pytest.mark.parametrize("verb", ["cancel", "pause", "change", "migrate"])
def test_a_misspelt_timing_ends_nothing(api, subscription, verb):
    response = api.post(f"/subscriptions/{subscription['id']}/{verb}", {"timming": "next_billing_cycle"})
    assert fields_at_fault(response)["timming"] == "unknown_field"
    assert Subscription.objects.get().active_to is None


def test_a_customer_who_is_named_twice_is_one(api):
    make_customer(key="other", name="Other")
    acme = data(api.get("/customers/acme"))["id"]
    body = {"customerId": acme, "customerKey": "other", "plan": {"key": "gold"}}
    assert fields_at_fault(api.post("/subscriptions", body)) == {"customerKey": "another_customer"}
    assert not Subscription.objects.exists()
    data(api.post("/subscriptions", body | {"customerKey": "acme"}), 201)


EVENT = {"id": "1", "source": "app", "type": "request", "subject": "acme", "specversion": "1.0"}


def test_an_event_takes_the_extensions_of_cloudevents_and_nothing_else(api):
    batch = [EVENT, EVENT | {"id": "2", "timestamp": "2026-03-17T00:00:00Z"}]
    assert fields_at_fault(api.post("/events", batch)) == {"1.timestamp": "unknown_field"}
    assert not UsageEvent.objects.exists()
    traced = EVENT | {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    data(api.post("/events", [traced | {"data": {"whatever": {"deep": [1]}, "value": 1}}]), 204)
    assert UsageEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/plans/gold/archive"),
        ("POST", "/plans/gold/next"),
        ("POST", f"/billing/invoices/{ID}/approve"),
        ("POST", f"/subscriptions/{ID}/restore"),
        ("DELETE", f"/billing/invoices/{ID}"),
        ("GET", "/customers"),
    ],
)
def test_an_endpoint_without_a_body_refuses_one(api, method, path):
    assert fields_at_fault(api.call(method, path, {"rebill": False})) == {"rebill": "unknown_field"}
    refused(api.call(method, path, ["rebill"]), 400)
    refused(api.call(method, path, "rebill=false", content_type="application/x-www-form-urlencoded"), 415)


def test_an_empty_body_says_nothing(api):
    data(api.post("/plans/gold/next", {}), 201)
    data(api.call("GET", "/customers", {}))


def test_what_a_get_has_shown_may_be_put_back(api, subscription):
    """Ids, times and all; only what can be set is read."""
    plan = data(api.post("/plans", PLAN), 201)
    addon_body = {"key": "boost", "name": "Boost", "instanceType": "single", "currency": "EUR", "rateCards": [CARD]}
    addon = data(api.post("/addons", addon_body), 201)
    data(api.post("/coupons", {"code": "TEN", "percentage": 10}), 201)
    (profile,) = data(api.get("/billing/profiles"))["items"]
    supplier = profile["supplier"]["id"]
    (app,) = data(api.get("/apps"))["items"]
    paths = [
        "/customers/acme",
        "/meters/usage",
        f"/plans/{plan['id']}",
        f"/addons/{addon['id']}",
        "/coupons/TEN",
        f"/suppliers/{supplier}",
        f"/billing/profiles/{profile['id']}",
        f"/apps/{app['id']}",
    ]
    for path in paths:
        shown = data(api.get(path))
        again = data(api.put(path, shown))
        assert {**again, "updatedAt": None} == {**shown, "updatedAt": None}, path
    assert fields_at_fault(api.put("/meters/usage", {"agregation": "SUM"})) == {"agregation": "unknown_field"}
    # A new thing gets its id, its times and its state from us.
    assert fields_at_fault(api.post("/plans", PLAN | {"key": "max", "effectiveFrom": "2026-01-01T00:00:00Z"})) == {
        "effectiveFrom": "unknown_field"
    }
