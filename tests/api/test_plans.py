import copy
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from core.clock import real_now
from subscriptions.models import Plan, RateCard
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_feature, make_meter

pytestmark = pytest.mark.django_db

FLAT = {
    "type": "flat_fee",
    "key": "base",
    "name": "Base fee",
    "billingCadence": "P1M",
    "price": {"type": "flat", "amount": "29.90", "paymentTerm": "in_advance"},
}
USAGE = {
    "type": "usage_based",
    "key": "tokens",
    "name": "Tokens",
    "featureKey": "tokens",
    "billingCadence": "P1M",
    "price": {"type": "unit", "amount": "0.25"},
    "discounts": {"usage": {"quantity": "100"}, "percentage": {"percentage": 12.5}},
    "entitlementTemplate": {"type": "metered", "issueAfterReset": 100, "isSoftLimit": True},
    "taxConfig": {"behavior": "exclusive", "stripe": {"code": "txcd_10000000"}},
}
FEATURELESS = {name: value for name, value in USAGE.items() if name not in ("featureKey", "entitlementTemplate")}
GOLD: dict[str, Any] = {
    "key": "gold",
    "name": "Gold",
    "description": "For most",
    "metadata": {"tier": "2"},
    "currency": "EUR",
    "billingCadence": "P1M",
    "proRatingConfig": {"enabled": True, "mode": "prorate_prices"},
    "settlementMode": "credit_then_invoice",
    "phases": [
        {"key": "trial", "name": "Trial", "duration": "P14D", "rateCards": []},
        {"key": "main", "name": "Main", "duration": None, "metadata": {"a": "b"}, "rateCards": [FLAT, USAGE]},
    ],
}


@pytest.fixture(autouse=True)
def catalog(db):
    make_feature(key="tokens", meter=make_meter())
    make_feature(key="storage")


def changed(*path_and_value, plan=GOLD):
    """GOLD with the value at the path replaced; a value of `...` takes the field away."""
    *path, last, value = path_and_value
    plan = target = copy.deepcopy(plan)
    for step in path:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return plan


def subset(shown, sent):
    """`shown` without what `sent` doesn't speak of."""
    if isinstance(sent, dict):
        return {name: subset(shown[name], value) for name, value in sent.items()}
    if isinstance(sent, list):
        assert len(shown) == len(sent)
        return [subset(*pair) for pair in zip(shown, sent, strict=True)]
    return shown


class TestCreate:
    def test_a_new_plan_is_a_draft_that_shows_what_was_sent(self, api):
        created = data(api.post("/plans", GOLD), 201)
        assert subset(created, GOLD) == GOLD
        assert (created["version"], created["status"], created["validationErrors"]) == (1, "draft", None)
        assert "effectiveFrom" not in created
        assert data(api.get(f"/plans/{created['id']}")) == created
        assert data(api.get("/plans/gold")) == created

    def test_nulls_that_a_client_drops_mean_null(self, api):
        free = {"type": "flat_fee", "key": "free", "name": "Free"}
        phases = [{"key": "main", "name": "Main", "rateCards": [free]}]
        plan = {"key": "free", "name": "Free", "billingCadence": "P1M", "phases": phases}
        (phase,) = data(api.post("/plans", plan), 201)["phases"]
        assert phase["duration"] is None
        assert (phase["rateCards"][0]["price"], phase["rateCards"][0]["billingCadence"]) == (None, None)

    def test_a_flat_price_is_due_in_advance_unless_it_says_otherwise(self, api):
        plan = changed("phases", 1, "rateCards", 0, "price", "paymentTerm", ...)
        shown = data(api.post("/plans", plan), 201)
        assert shown["phases"][1]["rateCards"][0]["price"]["paymentTerm"] == "in_advance"

    @pytest.mark.parametrize(
        "price",
        [
            {"type": "package", "amount": "1.00", "quantityPerPackage": "25"},
            {"type": "unit", "amount": "0.000000000001", "minimumAmount": "5", "maximumAmount": "60"},
            {
                "type": "tiered",
                "mode": "graduated",
                "tiers": [
                    {"upToAmount": "5", "flatPrice": {"type": "flat", "amount": "100"}, "unitPrice": None},
                    {"unitPrice": {"type": "unit", "amount": "1"}},
                ],
            },
            {"type": "dynamic", "multiplier": "1.2"},
        ],
        ids=lambda price: price["type"],
    )
    def test_every_price_model_can_be_stored_and_read_back(self, api, price):
        created = data(api.post("/plans", changed("phases", 1, "rateCards", 1, "price", price)), 201)
        shown = created["phases"][1]["rateCards"][1]["price"]
        assert {name: shown[name] for name in price if name != "tiers"} == {
            name: price[name] for name in price if name != "tiers"
        }
        card = RateCard.objects.get(key="tokens")
        assert data(api.get("/plans/gold"))["phases"][1]["rateCards"][1]["price"] == card.price

    def test_a_plan_has_one_draft(self, api):
        data(api.post("/plans", GOLD), 201)
        assert "draft already" in refused(api.post("/plans", GOLD), 409)["detail"]
        assert Plan.objects.count() == 1

    CARD = ("phases", 1, "rateCards", 0)
    METERED = ("phases", 1, "rateCards", 1)

    @pytest.mark.parametrize(
        ("plan", "field"),
        [
            (changed("key", "Gold!"), "key"),
            (changed("key", ...), "key"),
            (changed("name", ""), "name"),
            (changed("currency", "euro"), "currency"),
            (changed("currency", "XXX"), "currency"),
            (changed("billingCadence", ...), "billingCadence"),
            (changed("billingCadence", "monthly"), "billingCadence"),
            (changed("billingCadence", "P5M"), "billingCadence"),
            (changed("settlementMode", "cash"), "settlementMode"),
            (changed("proRatingConfig", {"enabled": "perhaps"}), "proRatingConfig.enabled"),
            (changed("phases", ...), "phases"),
            (changed("phases", []), "phases"),
            (changed("phases", "main"), "phases"),
            (changed("phases", 0, "rateCards", ...), "phases.0.rateCards"),
            (changed("phases", 0, "duration", ...), "phases.0.duration"),
            (changed("phases", 0, "duration", "two weeks"), "phases.0.duration"),
            (changed("phases", 0, "duration", "P0D"), "phases.0.duration"),
            (changed("phases", 1, "duration", "P1M"), "phases.1.duration"),
            (changed("phases", 1, "key", "trial"), "phases.1.key"),
            (changed(*METERED, "key", "base"), "phases.1.rateCards.1.key"),
            (changed(*CARD, "type", "gift"), "phases.1.rateCards.0.type"),
            (changed(*CARD, "billingCadence", "P1H"), "phases.1.rateCards.0.billingCadence"),
            (changed(*CARD, "price", "29.90"), "phases.1.rateCards.0.price"),
            (changed(*CARD, "price", {}), "phases.1.rateCards.0.price.type"),
            (changed(*CARD, "price", "type", "free"), "phases.1.rateCards.0.price.type"),
            (changed(*CARD, "price", {"type": "unit", "amount": "1"}), "phases.1.rateCards.0.price.type"),
            (changed(*CARD, "price", "amount", ...), "phases.1.rateCards.0.price.amount"),
            (changed(*CARD, "price", "amount", "-1"), "phases.1.rateCards.0.price.amount"),
            (changed(*CARD, "price", "amount", "ten"), "phases.1.rateCards.0.price.amount"),
            (changed(*CARD, "price", "amount", 9.99), "phases.1.rateCards.0.price.amount"),
            (changed(*CARD, "price", "paymentTerm", "someday"), "phases.1.rateCards.0.price.paymentTerm"),
            (changed(*CARD, "discounts", {"usage": {"quantity": "5"}}), "phases.1.rateCards.0.discounts.usage"),
            (changed(*METERED, "billingCadence", None), "phases.1.rateCards.1.billingCadence"),
            (changed(*METERED, "featureKey", "nothing"), "phases.1.rateCards.1.featureKey"),
            (changed(*METERED, "price", "amuont", "1"), "phases.1.rateCards.1.price.amuont"),
            (
                changed(*METERED, "discounts", "percentage", "percentage", 101),
                "phases.1.rateCards.1.discounts.percentage.percentage",
            ),
            (changed(*METERED, "featureKey", "storage"), "phases.1.rateCards.1.entitlementTemplate"),
            (changed(*CARD, "entitlementTemplate", {"type": "boolean"}), "phases.1.rateCards.0.entitlementTemplate"),
            (changed(*METERED, FEATURELESS), "phases.1.rateCards.1.featureKey"),
            (
                changed(*METERED, "entitlementTemplate", {"type": "static", "config": "[]"}),
                "phases.1.rateCards.1.entitlementTemplate.config",
            ),
            (
                changed(*METERED, "entitlementTemplate", "issueAfterReset", -1),
                "phases.1.rateCards.1.entitlementTemplate.issueAfterReset",
            ),
            (
                changed(*METERED, "entitlementTemplate", "usagePeriod", "P9Y"),
                "phases.1.rateCards.1.entitlementTemplate.usagePeriod",
            ),
            (
                changed(*METERED, "taxConfig", {"stripe": {"code": "x"}}),
                "phases.1.rateCards.1.taxConfig.stripe.code",
            ),
        ],
        ids=range(43),
    )
    def test_a_broken_rule_is_400_at_its_path_and_stores_nothing(self, api, plan, field):
        assert list(fields_at_fault(api.post("/plans", plan))) == [field]
        assert not Plan.objects.exists()

    def test_all_broken_rules_are_named_at_once(self, api):
        plan = changed("phases", 1, "rateCards", 0, "price", "amount", "-1")
        plan = changed("phases", 1, "rateCards", 1, "featureKey", "nothing", plan=plan)
        plan = changed("currency", "XXX", plan=plan)
        assert sorted(fields_at_fault(api.post("/plans", plan))) == [
            "currency",
            "phases.1.rateCards.0.price.amount",
            "phases.1.rateCards.1.featureKey",
        ]


class TestLife:
    def test_publishing_puts_it_on_sale_and_archives_the_version_before(self, api):
        with time_machine.travel("2026-03-17T00:00:00Z", tick=False):
            first = data(api.post("/plans", GOLD), 201)
            published = data(api.post(f"/plans/{first['id']}/publish"))
        assert (published["status"], published["effectiveFrom"]) == ("active", "2026-03-17T00:00:00Z")
        with time_machine.travel("2026-04-01T00:00:00Z", tick=False):
            second = data(api.post("/plans", changed("name", "Gold 2")), 201)
            assert (second["version"], second["status"]) == (2, "draft")
            assert data(api.get("/plans/gold"))["version"] == 1
            assert data(api.get("/plans/gold?includeLatest=true"))["version"] == 2
            data(api.post("/plans/gold/publish"))
            assert data(api.get("/plans/gold"))["name"] == "Gold 2"
            before = data(api.get(f"/plans/{first['id']}"))
        assert (before["status"], before["effectiveTo"]) == ("archived", "2026-04-01T00:00:00Z")

    def test_a_published_version_cant_be_changed_deleted_or_published_again(self, api):
        data(api.post("/plans", GOLD), 201)
        plan = data(api.post("/plans/gold/publish"))
        refused(api.put(f"/plans/{plan['id']}", GOLD), 412)
        refused(api.delete(f"/plans/{plan['id']}"), 412)
        refused(api.post(f"/plans/{plan['id']}/publish"), 412)
        assert data(api.get("/plans/gold")) == plan

    def test_a_draft_is_replaced_as_a_whole(self, api):
        data(api.post("/plans", GOLD), 201)
        body = {"name": "Gold", "billingCadence": "P1Y", "phases": [GOLD["phases"][1] | {"rateCards": [FLAT]}]}
        shown = data(api.put("/plans/gold", body))
        assert (shown["billingCadence"], shown["currency"], shown["metadata"]) == ("P1Y", "EUR", {})
        assert "description" not in shown
        assert [phase["key"] for phase in shown["phases"]] == ["main"]
        assert RateCard.objects.count() == 1

    def test_a_broken_rule_leaves_the_draft_as_it_was(self, api):
        before = data(api.post("/plans", GOLD), 201)
        refused(api.put("/plans/gold", changed("billingCadence", "P5M")), 400)
        assert data(api.get("/plans/gold")) == before

    def test_archiving_ends_the_sale_once(self, api):
        data(api.post("/plans", GOLD), 201)
        refused(api.post("/plans/gold/archive"), 412)
        data(api.post("/plans/gold/publish"))
        assert data(api.post("/plans/gold/archive"))["status"] == "archived"
        refused(api.post("/plans/gold/archive"), 412)

    def test_the_next_version_copies_the_one_on_sale(self, api):
        data(api.post("/plans", GOLD), 201)
        data(api.post("/plans/gold/publish"))
        copied = data(api.post("/plans/gold/next"), 201)
        assert subset(copied, GOLD) == GOLD
        assert (copied["version"], copied["status"]) == (2, "draft")
        refused(api.post("/plans/gold/next"), 409)

    def test_a_deleted_draft_is_gone_and_its_version_is_free(self, api):
        data(api.post("/plans", GOLD), 201)
        data(api.delete("/plans/gold"), 204)
        refused(api.get("/plans/gold"), 404)
        assert data(api.get("/plans"))["items"] == []
        assert len(data(api.get("/plans?includeDeleted=true"))["items"]) == 1
        assert data(api.post("/plans", GOLD), 201)["version"] == 1

    def test_a_draft_whose_feature_was_archived_cant_be_published(self, api):
        data(api.post("/plans", GOLD), 201)
        data(api.delete("/features/tokens"), 204)
        assert list(fields_at_fault(api.post("/plans/gold/publish"))) == ["phases.1.rateCards.1.featureKey"]
        assert data(api.get("/plans/gold"))["status"] == "draft"


class TestList:
    @pytest.fixture(autouse=True)
    def plans(self, api):
        data(api.post("/plans", GOLD), 201)
        data(api.post("/plans/gold/publish"))
        data(api.post("/plans/gold/next"), 201)
        data(api.post("/plans", changed("key", "silver") | {"currency": "USD"}), 201)
        Plan.objects.filter(key="silver").update(effective_from=real_now() + timedelta(days=3))

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?orderBy=key", ["gold 1", "gold 2", "silver 1"]),
            ("?key=silver", ["silver 1"]),
            ("?status=active", ["gold 1"]),
            ("?status=draft&status=scheduled", ["gold 2", "silver 1"]),
            ("?status=archived", []),
            ("?currency=USD&currency=EUR&orderBy=version&order=DESC&pageSize=1", ["gold 2"]),
            ("?keyVersion[gold]=2&keyVersion[silver]=1", ["gold 2", "silver 1"]),
        ],
    )
    def test_filters(self, api, query, found):
        shown = data(api.get(f"/plans{query}"))["items"]
        assert [f"{plan['key']} {plan['version']}" for plan in shown] == found

    @pytest.mark.parametrize("query", ["?status=sold", "?id=gold", "?keyVersion[gold]=x", "?keyVersion=1"])
    def test_a_filter_that_cant_be_read_is_400(self, api, query):
        assert len(fields_at_fault(api.get(f"/plans{query}"))) == 1

    def test_the_number_of_queries_does_not_grow_with_the_list(self, api, django_assert_num_queries):
        data(api.get("/plans"))
        with django_assert_num_queries(5):  # test clock, key, plans, phases, rate cards with features
            assert len(data(api.get("/plans"))["items"]) == 3
        for number in range(27):
            data(api.post("/plans", changed("key", f"p{number}")), 201)
        with django_assert_num_queries(5):
            assert len(data(api.get("/plans"))["items"]) == 30
