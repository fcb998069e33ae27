"""Entitlements over REST, v2 and v1, as the two clients address them (billing rules 9)."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.ids import from_text, new_id, to_text
from entitlements.access.entitlement_input import Manager
from entitlements.models import Entitlement, Grant, Meter
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.usage import use

pytestmark = pytest.mark.django_db
ACME = "/api/v2/customers/acme/entitlements"
MONTHLY = {"type": "metered", "featureKey": "calls", "usagePeriod": {"interval": "MONTH"}, "issueAfterReset": 100}


@pytest.fixture(autouse=True)
def customer(db):
    make_metered_feature()
    return make_customer(subjects=("acme-eu", "acme-us"))


@pytest.fixture(autouse=True)
def noon():
    with clock.frozen_at(at("2026-04-16T12:00")):
        yield


class TestEntitlements:
    def test_a_metered_one_as_it_is_shown(self, api, customer):
        body = MONTHLY | {
            "usagePeriod": {"interval": "P1M", "anchor": "2026-04-01T00:00:00Z"},
            "measureUsageFrom": "CURRENT_PERIOD_START",
            "isSoftLimit": True,
            "metadata": {"team": "core"},
        }
        created = data(api.post(ACME, body), 201)
        feature_id, customer_id = created.pop("featureId"), created.pop("customerId")
        assert (from_text(customer_id), data(api.get("/features/calls"))["id"]) == (customer.pk, feature_id)
        shown = dict(created)
        shown.pop("id")
        assert shown == {
            "type": "metered",
            "featureKey": "calls",
            "customerKey": "acme",
            "activeFrom": "2026-04-16T12:00:00Z",
            "createdAt": "2026-04-16T12:00:00Z",
            "updatedAt": "2026-04-16T12:00:00Z",
            "metadata": {"team": "core"},
            "isSoftLimit": True,
            "preserveOverageAtReset": False,
            "issueAfterReset": 100,
            "issueAfterResetPriority": 1,
            "issue": {"amount": 100, "priority": 1},
            "measureUsageFrom": "2026-04-01T00:00:00Z",
            "usagePeriod": {"interval": "MONTH", "intervalISO": "P1M", "anchor": "2026-04-01T00:00:00Z"},
            "currentUsagePeriod": {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
            "lastReset": "2026-04-01T00:00:00Z",
        }
        for address in (f"{ACME}/calls", f"{ACME}/{created['id']}", f"/api/v2/entitlements/{created['id']}"):
            assert data(api.get(address))["id"] == created["id"]
        old = data(api.get(f"/entitlements/{created['id']}"))
        assert (old["subjectKey"], old["issueAfterReset"], "customerId" in old) == ("acme-eu", 100, False)

    def test_static_and_boolean_ones(self, api):
        make_feature(key="seats", name="Seats")
        config = '{"seats": 5,  "sso": true}'
        static = data(api.post(ACME, {"type": "static", "featureKey": "calls", "config": config}), 201)
        data(api.post(ACME, {"type": "boolean", "featureKey": "seats"}), 201)
        assert static["config"] == config
        assert "isSoftLimit" not in static
        assert data(api.get(f"{ACME}/calls/value")) == {"hasAccess": True, "config": config}
        assert data(api.get("/customers/acme/access")) == {
            "entitlements": {"calls": {"hasAccess": True, "config": config}, "seats": {"hasAccess": True}}
        }

    def test_a_second_one_is_409_and_after_a_deletion_it_is_not(self, api):
        first = data(api.post(ACME, MONTHLY), 201)
        refused(api.post(ACME, MONTHLY), 409)
        data(api.delete(f"{ACME}/calls"), 204)
        refused(api.delete(f"{ACME}/calls"), 404)
        second = data(api.post(ACME, MONTHLY), 201)
        assert [each["id"] for each in data(api.get(ACME))["items"]] == [second["id"]]
        both = data(api.get(f"{ACME}?includeDeleted=true"))
        assert (both["totalCount"], both["items"][0]["deletedAt"]) == (2, "2026-04-16T12:00:00Z")
        assert data(api.get(f"{ACME}/{first['id']}/value")) == {"hasAccess": False}

    def test_a_repeat_with_the_same_idempotency_key_makes_no_second(self, api):
        answers = [data(api.post(ACME, MONTHLY, Idempotency_Key="one"), 201) for _ in range(2)]
        assert answers[0] == answers[1]
        assert Entitlement.objects.count() == 1

    def test_an_override_begins_another(self, api):
        first = data(api.post(ACME, MONTHLY), 201)
        larger = MONTHLY | {"issueAfterReset": 500}
        second = data(api.call("PUT", f"{ACME}/calls/override", larger), 201)
        assert second["id"] != first["id"]
        assert data(api.get(f"{ACME}/calls/value"))["balance"] == 500
        refused(api.call("PUT", f"{ACME}/{first['id']}/override", larger), 412)

    def test_one_that_a_subscription_manages_points_to_change_and_edit(self, api, customer):
        item, subscription = new_id(), new_id()
        manager = Manager(subscription_id=subscription, item_id=item, keys={"plan": "starter"})
        entitle(customer, on="2026-04-16", manager=manager)
        shown = data(api.get(f"{ACME}/calls"))
        assert shown["annotations"] == {
            "subscription.id": to_text(subscription),
            "subscription.item.id": to_text(item),
            "subscription.plan.key": "starter",
        }
        problem = refused(api.call("PUT", f"{ACME}/calls/override", MONTHLY), 403)
        assert "Use change to move" in problem["detail"]
        assert "edit" in problem["detail"]
        refused(api.delete(f"{ACME}/calls"), 403)
        data(api.post(f"{ACME}/calls/grants", {"amount": 10, "effectiveAt": "2026-04-16T12:00:00Z"}), 201)

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            ({"type": "metred"}, {"type": "invalid_choice"}),
            ({"featureKey": "nothing"}, {"featureKey": "not_found"}),
            ({"featureKey": None}, {"featureKey": "one_of_two"}),
            ({"usagePeriod": {"interval": "CENTURY"}}, {"usagePeriod.interval": "not_an_interval"}),
            ({"usagePeriod": {"interval": "MONTH", "start": 1}}, {"usagePeriod.start": "unknown_field"}),
            ({"issueAfterReset": "100"}, {"issueAfterReset": "invalid"}),
            ({"issueAfterReset": -1}, {"issueAfterReset": "not_positive"}),
            ({"issue": {"amount": 99}}, {"issue": "said_twice"}),
            ({"issueAfterResetPriority": 300}, {"issueAfterResetPriority": "max_value"}),
            ({"measureUsageFrom": "TOMORROW"}, {"measureUsageFrom": "invalid"}),
            ({"measureUsageFrom": "2026-04-17T00:00:00Z"}, {"measureUsageFrom": "too_late"}),
            ({"isUnlimited": True}, {"isUnlimited": "unknown_field"}),
            ({"grants": [{"amount": 1}]}, {"grants.0.effectiveAt": "required"}),
            (
                {"grants": [{"amount": 0, "effectiveAt": "2026-04-16T12:00:00Z"}]},
                {"grants.0.amount": "not_positive"},
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, api, change, fields):
        assert fields_at_fault(api.post(ACME, MONTHLY | change)) == fields
        assert not Entitlement.objects.exists()

    def test_scopes(self):
        reader = Api("entitlements:read")
        assert "entitlements:write" in refused(reader.post(ACME, MONTHLY), 403)["detail"]
        refused(Api("entitlements:write").get(ACME), 403)
        data(reader.get(ACME))


class TestValues:
    def test_the_value_now_and_then(self, api, customer):
        entitlement = entitle(customer)
        extra = give(entitlement, "50", "2026-04-10", priority=0)
        use("2026-04-03", 30, subject="acme-eu")
        use("2026-04-12", 60, subject="acme-us")
        issued = to_text(Grant.objects.get(issued=True).pk)
        assert data(api.get(f"{ACME}/calls/value")) == {
            "hasAccess": True,
            "balance": 60,
            "usage": 90,
            "overage": 0,
            "totalAvailableGrantAmount": 150,
            "grantBalances": {issued: 60, to_text(extra.pk): 0},
        }
        then = data(api.get(f"{ACME}/calls/value?time=2026-04-05T00:00:00Z"))
        assert (then["balance"], then["grantBalances"]) == (70, {issued: 70})
        for address in ("/customers/acme/entitlements/calls/value", "/subjects/acme-us/entitlements/calls/value"):
            assert data(api.get(address)) == {
                "hasAccess": True,
                "balance": 60,
                "usage": 90,
                "overage": 0,
                "totalAvailableGrantAmount": 150,
            }

    def test_no_entitlement_is_no_access_and_no_feature_is_404(self, api):
        assert data(api.get("/customers/acme/entitlements/calls/value")) == {"hasAccess": False}
        refused(api.get("/customers/acme/entitlements/nothing/value"), 404)
        refused(api.get(f"{ACME}/calls/value"), 404)

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("time=2026-04-16T12:00:01Z", {"time": "invalid"}),
            ("time=yesterday", {"time": "invalid"}),
            ("at=2026-04-16T12:00:00Z", {"at": "unknown_parameter"}),
        ],
    )
    def test_other_times_are_400(self, api, customer, query, fields):
        entitle(customer)
        assert fields_at_fault(api.get(f"{ACME}/calls/value?{query}")) == fields

    def test_fractions_are_exact_numbers(self, api, customer):
        entitle(customer, issue="0.3")
        use("2026-04-03", 0.1, subject="acme-eu")
        assert data(api.get(f"{ACME}/calls/value"))["balance"] == Decimal("0.2")

    def test_the_history(self, api, customer):
        entitlement = entitle(customer)
        use("2026-04-03T10:00", 30, subject="acme-eu")
        history = data(api.get(f"{ACME}/calls/history?windowSize=DAY"))
        grant = to_text(entitlement.grants.get().pk)
        assert history == {
            "windowedHistory": [
                {
                    "period": {"from": "2026-04-03T00:00:00Z", "to": "2026-04-04T00:00:00Z"},
                    "usage": 30,
                    "balanceAtStart": 100,
                }
            ],
            "burndownHistory": [
                {
                    "period": {"from": "2026-04-01T00:00:00Z", "to": "2026-04-16T12:00:00Z"},
                    "usage": 30,
                    "overage": 0,
                    "balanceAtStart": 100,
                    "grantBalancesAtStart": {grant: 100},
                    "balanceAtEnd": 70,
                    "grantBalancesAtEnd": {grant: 70},
                    "grantUsages": [{"grantId": grant, "usage": 30}],
                }
            ],
        }
        part = data(api.get("/subjects/acme-eu/entitlements/calls/history?windowSize=HOUR&from=2026-04-03T10:00:00Z"))
        assert [window["balanceAtStart"] for window in part["windowedHistory"]] == [100]

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("", {"windowSize": "required"}),
            ("windowSize=WEEK", {"windowSize": "invalid"}),
            ("windowSize=DAY&windowTimeZone=Mars", {"timezone": "unknown_zone"}),
            ("windowSize=DAY&from=2026-04-10T00:00:00Z&to=2026-04-09T00:00:00Z", {"to": "before_from"}),
        ],
    )
    def test_other_histories_are_400(self, api, customer, query, fields):
        entitle(customer)
        assert fields_at_fault(api.get(f"{ACME}/calls/history?{query}")) == fields

    def test_only_metered_ones_have_a_history(self, api, customer):
        entitle(customer, type="boolean")
        refused(api.get(f"{ACME}/calls/history?windowSize=DAY"), 409)


class TestGrants:
    def test_a_grant_as_it_is_shown(self, api, customer):
        entitlement = entitle(customer, issue=None)
        body = {
            "amount": 12.5,
            "priority": 3,
            "effectiveAt": "2026-04-10T00:00:00Z",
            "expiration": {"duration": "MONTH", "count": 2},
            "minRolloverAmount": 1,
            "recurrence": {"interval": "WEEK"},
            "metadata": {"ticket": "T-1"},
            "annotations": {"by": ["ops"]},
        }
        created = data(api.post(f"{ACME}/calls/grants", body), 201)
        grant_id = created.pop("id")
        assert created == body | {
            "entitlementId": to_text(entitlement.pk),
            "amount": Decimal("12.5"),
            "maxRolloverAmount": Decimal("12.5"),
            "recurrence": {"interval": "WEEK", "intervalISO": "P1W", "anchor": "2026-04-10T00:00:00Z"},
            "nextRecurrence": "2026-04-17T00:00:00Z",
            "expiresAt": "2026-06-10T00:00:00Z",
            "createdAt": "2026-04-16T12:00:00Z",
            "updatedAt": "2026-04-16T12:00:00Z",
        }
        assert [each["id"] for each in data(api.get(f"{ACME}/calls/grants"))["items"]] == [grant_id]

    def test_v1_keeps_nothing_at_a_reset_and_wants_an_expiration(self, api, customer):
        entitle(customer, issue=None)
        address, body = (
            "/subjects/acme-eu/entitlements/calls/grants",
            {"amount": 5, "effectiveAt": "2026-04-10T00:00:00Z"},
        )
        assert fields_at_fault(api.post(address, body)) == {"expiration": "required"}
        body["expiration"] = {"duration": "YEAR", "count": 1}
        assert data(api.post(address, body), 201)["maxRolloverAmount"] == 0
        assert len(data(api.get(address))) == 1

    def test_a_void_is_one_way(self, api, customer):
        entitlement = entitle(customer, issue=None)
        grant = give(entitlement, "10")
        refused(api.delete(f"/grants/{to_text(grant.pk)}?at=2026-05-01T00:00:00Z"), 400)
        for _ in range(2):
            data(api.delete(f"/grants/{to_text(grant.pk)}?at=2026-04-12T00:00:00Z"), 204)
        assert data(api.get("/grants")) == []
        [shown] = data(api.get("/grants?includeDeleted=true"))
        assert shown["voidedAt"] == "2026-04-12T00:00:00Z"
        assert data(api.get(f"{ACME}/calls/value"))["balance"] == 0
        refused(api.delete(f"/grants/{to_text(new_id())}"), 404)

    def test_lists_narrow_and_page(self, api, customer):
        entitlement = entitle(customer)
        bolt = make_customer(key="bolt", name="Bolt")
        entitle(bolt)
        give(entitlement, "10")
        for query in ("customer=bolt", f"customer={to_text(bolt.pk)}"):
            assert data(api.get(f"/api/v2/grants?{query}"))["totalCount"] == 1
        page = data(api.get("/api/v2/grants?limit=2&offset=2&feature=calls"))
        assert (page["totalCount"], page["page"], len(page["items"])) == (3, 2, 1)
        assert len(data(api.get("/grants?subject=acme-eu&subject=acme-us"))) == 2
        assert data(api.get("/grants?page=1&feature=other"))["items"] == []
        assert fields_at_fault(api.get("/api/v2/grants?customers=bolt")) == {"customers": "unknown_parameter"}


class TestResets:
    def test_a_reset_by_hand(self, api, customer):
        entitle(customer)
        use("2026-04-03", 30, subject="acme-eu")
        data(api.post(f"{ACME}/calls/reset", {"effectiveAt": "2026-04-16T00:00:00Z"}), 204)
        shown = data(api.get(f"{ACME}/calls"))
        assert shown["lastReset"] == "2026-04-16T00:00:00Z"
        assert shown["currentUsagePeriod"] == {"from": "2026-04-16T00:00:00Z", "to": "2026-05-16T00:00:00Z"}
        assert shown["usagePeriod"]["anchor"] == "2026-04-16T00:00:00Z"
        assert data(api.get(f"{ACME}/calls/value"))["balance"] == 100
        body = {"effectiveAt": "2026-04-16T12:00:01Z"}
        assert fields_at_fault(api.post("/subjects/acme-eu/entitlements/calls/reset", body)) == {
            "effectiveAt": "out_of_period"
        }
        data(api.post("/subjects/acme-eu/entitlements/calls/reset", {"retainAnchor": True}), 204)


class TestSubjects:
    def test_who_has_the_subject_has_the_entitlement(self, api):
        address = "/subjects/acme-us/entitlements"
        created = data(api.post(address, MONTHLY | {"isUnlimited": True}), 201)
        assert created["subjectKey"] == "acme-us"
        assert data(api.get(f"{address}/{created['id']}"))["id"] == created["id"]
        assert [each["subjectKey"] for each in data(api.get("/subjects/acme-eu/entitlements"))] == ["acme-eu"]
        data(api.call("PUT", f"{address}/calls/override", MONTHLY), 201)
        data(api.delete(f"{address}/calls"), 204)
        assert len(data(api.get(f"{address}?includeDeleted=true"))) == 2
        refused(api.get("/subjects/nobody/entitlements"), 404)

    def test_all_entitlements(self, api, customer):
        make_feature(key="seats", name="Seats")
        entitle(customer)
        entitle(customer, type="boolean", feature_key="seats", active_to=at("2026-04-10"))
        assert len(data(api.get("/entitlements"))) == 2
        assert data(api.get("/entitlements?page=1&excludeInactive=true"))["totalCount"] == 1
        for query in ("entitlementType=boolean", "feature=seats", "entitlementType=boolean&subject=acme-eu"):
            assert [each["featureKey"] for each in data(api.get(f"/entitlements?{query}"))] == ["seats"]
        assert data(api.get("/api/v2/entitlements?customerKeys=acme&excludeInactive=true"))["totalCount"] == 1
        assert data(api.get(f"/api/v2/entitlements?customerIds={to_text(new_id())}"))["totalCount"] == 0


def test_lists_cost_the_same_at_3_and_at_30(api):
    counts = []
    for number in range(30):
        entitle(make_customer(key=f"c{number}", name=f"C{number}"))
        if number in (2, 29):
            data(api.get("/entitlements"))
            for address in ("/entitlements", "/api/v2/entitlements", "/grants", "/api/v2/grants"):
                with CaptureQueriesContext(connection) as queries:
                    data(api.get(address))
                counts.append(len(queries))
    assert counts[:4] == counts[4:] == [5, 5, 2, 2]


def test_access_costs_the_same_for_3_and_for_30(api, customer):
    meter, counts = Meter.objects.get(), []
    for number in range(30):
        make_feature(key=f"f{number}", name="F", meter=meter)
        entitle(customer, feature_key=f"f{number}")
        if number in (2, 29):
            data(api.get("/customers/acme/access"))
            with CaptureQueriesContext(connection) as queries:
                assert len(data(api.get("/customers/acme/access"))["entitlements"]) == number + 1
            counts.append(len(queries))
    assert counts[0] == counts[1]
