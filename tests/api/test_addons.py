"""Add-ons over REST: the catalog, what plans offer, what subscriptions buy."""

import copy

import pytest

from core import clock
from core.ids import to_text
from invoicing.closing.close_customers import close_customers
from invoicing.models import Invoice
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_feature, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

SUPPORT_CARD = {
    "type": "flat_fee",
    "key": "support",
    "name": "Support",
    "metadata": {},
    "billingCadence": "P1M",
    "price": {"type": "flat", "amount": "30", "paymentTerm": "in_advance"},
}
SUPPORT = {
    "key": "support",
    "name": "Support",
    "description": "By phone",
    "metadata": {"team": "blue"},
    "currency": "EUR",
    "instanceType": "multiple",
    "rateCards": [SUPPORT_CARD],
}


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


def published(api, **overrides):
    addon = data(api.post("/addons", SUPPORT | overrides), 201)
    return data(api.post(f"/addons/{addon['id']}/publish"))


def test_a_draft_is_stored_shown_changed_and_deleted(api):
    made = data(api.post("/addons", SUPPORT), 201)
    assert {name: made[name] for name in SUPPORT} == SUPPORT
    assert (made["version"], made["status"], made["validationErrors"]) == (1, "draft", None)
    assert "effectiveFrom" not in made
    assert data(api.get(f"/addons/{made['id']}")) == data(api.get("/addons/support")) == made
    changed = data(api.put("/addons/support", without(SUPPORT, "key", "currency", "description") | {"name": "Help"}))
    assert (changed["name"], changed["id"], "description" in changed) == ("Help", made["id"], False)
    data(api.delete("/addons/support"), 204)
    refused(api.get("/addons/support"), 404)


def test_publishing_ends_the_version_before_and_freezes_the_new(api):
    first = published(api)
    assert (first["status"], "effectiveFrom" in first) == ("active", True)
    second = data(api.post("/addons", SUPPORT), 201)
    assert second["version"] == 2
    refused(api.post("/addons", SUPPORT), 409)
    data(api.post(f"/addons/{second['id']}/publish"))
    assert data(api.get(f"/addons/{first['id']}"))["status"] == "archived"
    refused(api.put(f"/addons/{second['id']}", without(SUPPORT, "key", "currency")), 412)
    refused(api.delete(f"/addons/{second['id']}"), 412)
    assert data(api.post("/addons/support/archive"))["status"] == "archived"
    refused(api.post("/addons/support/archive"), 412)


def test_the_list_is_narrowed_by_key_version_status_and_currency(api):
    published(api)
    data(api.post("/addons", SUPPORT), 201)
    data(api.post("/addons", SUPPORT | {"key": "dollars", "currency": "USD"}), 201)

    def found(query):
        page = data(api.get(f"/addons?orderBy=key&{query}"))
        return [(addon["key"], addon["version"]) for addon in page["items"]]

    assert sorted(found("")) == [("dollars", 1), ("support", 1), ("support", 2)]
    assert found("status=active") == [("support", 1)]
    assert found("keyVersion[support]=2") == [("support", 2)]
    assert found("currency=USD") == [("dollars", 1)]
    assert found("key=none") == []
    refused(api.get("/addons?status=scheduled"), 400)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"rateCards": []}, {"rateCards": "required"}),
        ({"instanceType": "double"}, {"instanceType": "invalid_choice"}),
        ({"currency": "XXX"}, None),
        (
            {"rateCards": [SUPPORT_CARD | {"type": "usage_based", "price": {"type": "unit", "amount": "1"}}]},
            {"rateCards.0.featureKey": "no_feature", "rateCards.0.price.type": "not_flat"},
        ),
        ({"rateCards": [SUPPORT_CARD | {"featureKey": "none"}]}, {"rateCards.0.featureKey": "feature_not_found"}),
        ({"rateCards": [SUPPORT_CARD, SUPPORT_CARD]}, {"rateCards.1.key": "duplicate"}),
    ],
)
def test_a_broken_rule_is_named_by_its_field(api, change, fields):
    found = fields_at_fault(api.post("/addons", SUPPORT | change))
    assert found == fields if fields is not None else list(found) == ["currency"]
    assert data(api.get("/addons"))["totalCount"] == 0


def test_a_plan_offers_addons_by_their_id(api):
    plan = make_plan()
    addon = published(api)
    body = {"addonId": addon["id"], "fromPlanPhase": "phase_1", "maxQuantity": 5, "metadata": {"a": "b"}}
    offer = data(api.post(f"/plans/{to_text(plan.id)}/addons", body), 201)
    assert offer["addon"] == addon
    assert (offer["fromPlanPhase"], offer["maxQuantity"], offer["metadata"]) == ("phase_1", 5, {"a": "b"})
    path = f"/plans/storage/addons/{addon['id']}"
    assert data(api.get(path)) == offer
    assert [row["addon"]["key"] for row in data(api.get("/plans/storage/addons?key=support"))["items"]] == ["support"]
    assert data(api.get("/plans/storage/addons?keyVersion[support]=2"))["items"] == []
    changed = data(api.put(path, {"fromPlanPhase": "phase_1"}))
    assert ("maxQuantity" in changed, changed["metadata"]) == (False, {})
    refused(api.post("/plans/storage/addons", body), 409)
    data(api.delete(path), 204)
    refused(api.get(path), 404)
    refused(api.delete("/plans/storage/addons/none"), 404)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"addonId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "addonId"),
        ({"fromPlanPhase": "none"}, "fromPlanPhase"),
        ({"maxQuantity": 0}, "maxQuantity"),
    ],
)
def test_an_offer_that_makes_no_sense_names_its_field(api, change, field):
    make_plan()
    body = {"addonId": published(api)["id"], "fromPlanPhase": "phase_1"} | change
    assert list(fields_at_fault(api.post("/plans/storage/addons", body))) == [field]


def test_an_addon_in_another_currency_is_not_offered(api):
    make_plan()
    body = {"addonId": published(api, currency="USD")["id"], "fromPlanPhase": "phase_1"}
    assert fields_at_fault(api.post("/plans/storage/addons", body)) == {"addonId": "currency_mismatch"}


def at_time(moment, call):
    with clock.frozen_at(at(moment)):
        return call()


@pytest.fixture
def subscription(api):
    make_default_profile()
    plan, customer = make_plan(), make_customer()
    addon = at_time("2026-03-01", lambda: published(api))
    data(api.post("/plans/storage/addons", {"addonId": addon["id"], "fromPlanPhase": "phase_1"}), 201)
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(customer=customer, plan=plan, active_from=at("2026-04-01"))
        close_customers([customer.id], as_of=at("2026-04-01"))
    return f"/subscriptions/{to_text(subscription.id)}", addon


def test_a_subscription_buys_changes_and_ends_an_addon(api, subscription):
    path, addon = subscription
    body = {"name": "Our support", "quantity": 2, "timing": "immediate", "addon": {"id": addon["id"]}}
    bought = at_time("2026-04-16", lambda: data(api.post(f"{path}/addons", body), 201))
    assert {name: bought[name] for name in ("name", "quantity", "activeFrom", "quantityAt", "timeline", "addon")} == {
        "name": "Our support",
        "quantity": 2,
        "activeFrom": "2026-04-16T00:00:00Z",
        "quantityAt": "2026-04-16T00:00:00Z",
        "timeline": [{"activeFrom": "2026-04-16T00:00:00Z", "quantity": 2}],
        "addon": {"id": addon["id"], "key": "support", "version": 1, "instanceType": "multiple"},
    }
    (card,) = bought["rateCards"]
    assert card["rateCard"] == SUPPORT_CARD
    one = f"{path}/addons/{bought['id']}"
    end = {"quantity": 0, "timing": "next_billing_cycle", "name": "Support until May", "metadata": {"a": "b"}}
    ended = at_time("2026-04-20", lambda: data(api.call("PATCH", one, end)))
    assert (ended["name"], ended["metadata"], ended["activeTo"]) == (
        "Support until May",
        {"a": "b"},
        "2026-05-01T00:00:00Z",
    )
    assert ended["timeline"] == [
        {"activeFrom": "2026-04-16T00:00:00Z", "activeTo": "2026-05-01T00:00:00Z", "quantity": 2},
        {"activeFrom": "2026-05-01T00:00:00Z", "quantity": 0},
    ]
    assert at_time("2026-04-20", lambda: data(api.get(one))) == ended
    assert at_time("2026-04-20", lambda: data(api.get(f"{path}/addons"))) == [ended]
    items = data(api.get(path))["phases"][0]["items"]
    assert [(item["runningNumber"], item["key"], item["quantity"]) for item in items] == [
        (1, "base", "1"),
        (2, "support", "2"),
    ]
    assert [item["id"] for item in items][1:] == card["affectedSubscriptionItemIds"]
    totals = Invoice.objects.filter(issued_at__isnull=False).order_by("sequence").values_list("total", flat=True)
    assert [str(total) for total in totals] == ["50.00", "30.00"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantity": -1}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": "two"}, "quantity"),
        ({"timing": "soon"}, "timing"),
        ({"addon": {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}}, "addon.id"),
        ({"name": None}, "name"),
    ],
)
def test_a_wrong_purchase_names_its_field_and_buys_nothing(api, subscription, change, field):
    path, addon = subscription
    body = {"name": "Support", "quantity": 1, "timing": "immediate", "addon": {"id": addon["id"]}} | copy.copy(change)
    answer = at_time("2026-04-16", lambda: api.post(f"{path}/addons", body))
    assert list(fields_at_fault(answer)) == [field]
    assert data(api.get(f"{path}/addons")) == []


def test_scopes_unknown_things_and_conflicts_are_refused(api, subscription):
    path, addon = subscription
    body = {"name": "Support", "quantity": 1, "timing": "immediate", "addon": {"id": addon["id"]}}
    refused(Api("subscriptions:read").post(f"{path}/addons", body), 403)
    past = body | {"timing": "2026-04-02T00:00:00Z"}
    writer = Api("subscriptions:write")
    refused(at_time("2026-04-16", lambda: writer.post(f"{path}/addons", past)), 403)
    refused(api.get(f"{path}/addons/01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404)
    refused(api.get("/subscriptions/01ARZ3NDEKTSV4RRFFQ69G5FAV/addons"), 404)
    bought = at_time("2026-04-16", lambda: data(api.post(f"{path}/addons", body), 201))
    refused(at_time("2026-04-16", lambda: api.post(f"{path}/addons", body)), 409)
    one = f"{path}/addons/{bought['id']}"
    assert list(fields_at_fault(api.call("PATCH", one, {"timing": "immediate"}))) == ["quantity"]


def test_an_addon_with_a_feature_shows_it(api):
    make_feature(key="phone")
    made = data(api.post("/addons", SUPPORT | {"rateCards": [SUPPORT_CARD | {"featureKey": "phone"}]}), 201)
    assert made["rateCards"][0]["featureKey"] == "phone"


def test_a_purchase_and_its_changes_are_previewed(api, subscription):
    """Two at 30.00 for half of April are 30.00; ended on the 21st, 10 of the 15 days come back: 20.00."""
    path, addon = subscription
    body = {"quantity": 2, "timing": "immediate", "addon": {"id": addon["id"]}}

    def preview(on, **said):
        answer = data(at_time(on, lambda: api.post(f"{path}/preview-change", said)))
        return {name: answer[name] for name in ("creditAmount", "chargeAmount", "dueNow", "nextAmount")}

    assert preview("2026-04-16", buyAddon=body) == {
        "creditAmount": "0.00",
        "chargeAmount": "30.00",
        "dueNow": "30.00",
        "nextAmount": "110.00",
    }
    assert data(api.get(f"{path}/addons")) == []
    bought = at_time("2026-04-16", lambda: data(api.post(f"{path}/addons", body | {"name": "Support"}), 201))
    end = {"id": bought["id"], "quantity": 0}
    assert preview("2026-04-21", changeAddon=end) == {
        "creditAmount": "20.00",
        "chargeAmount": "0.00",
        "dueNow": "0.00",
        "nextAmount": "50.00",
    }
    assert at_time("2026-04-21", lambda: data(api.get(f"{path}/addons/{bought['id']}")))["quantity"] == 2


def test_a_preview_of_an_addon_names_what_is_wrong(api, subscription):
    path, _ = subscription
    unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    buy = {"quantity": 1, "timing": "immediate", "addon": {"id": unknown}}
    assert fields_at_fault(api.post(f"{path}/preview-change", {"buyAddon": buy})) == {"addon.id": "addon_not_found"}
    both = {"buyAddon": buy, "timing": "immediate"}
    assert fields_at_fault(api.post(f"{path}/preview-change", both)) == {"buyAddon": "stands_alone"}
    refused(api.post(f"{path}/preview-change", {"changeAddon": {"id": unknown, "quantity": 0}}), 404)
