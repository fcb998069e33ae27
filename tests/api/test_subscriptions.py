from datetime import timedelta

import pytest

from core import clock
from core.outbox.models import OutboxMessage
from invoicing.models import InvoiceLine
from subscriptions.models import Plan, Subscription
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import flat_card, make_excess_plan, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db
START = at("2026-03-17")


@pytest.fixture(autouse=True)
def _on_17_march(db):
    make_default_profile()
    with clock.frozen_at(START):
        yield


def subscribe(api, **overrides):
    body = {"customerKey": "acme", "plan": {"key": "storage"}} | overrides
    return api.post("/subscriptions", {name: value for name, value in body.items() if value is not None})


class TestCreate:
    def test_a_subscription_starts_now_on_the_active_version_of_its_plan(self, api):
        customer, plan = make_customer(), make_excess_plan()
        created = data(subscribe(api, metadata={"deal": "4711"}), 201)
        assert created["status"] == "active"
        assert created["customerId"] == data(api.get(f"/customers/{customer.key}"))["id"]
        assert created["plan"] == {"id": created["plan"]["id"], "key": "storage", "version": 1}
        assert created["activeFrom"] == created["billingAnchor"] == "2026-03-17T00:00:00Z"
        assert "activeTo" not in created
        assert (created["currency"], created["billingCadence"], created["timezone"]) == ("EUR", "P1M", "UTC")
        assert created["proRatingConfig"] == {"enabled": True, "mode": "prorate_prices"}
        assert created["settlementMode"] == "credit_then_invoice"
        assert created["metadata"] == {"deal": "4711"}
        assert Plan.objects.get() == plan

    def test_what_is_due_and_what_comes_next_is_on_the_gathering_invoice_at_once(self, api):
        make_customer()
        make_excess_plan()
        data(subscribe(api), 201)
        waiting = InvoiceLine.objects.filter(invoice__status="gathering").order_by("invoice_at", "position")
        assert [(line.name, line.invoice_at) for line in waiting] == [
            ("Base fee", START),
            ("Base fee", at("2026-04-17")),
            ("Excess storage", at("2026-04-17")),
        ]

    def test_a_purchase_sends_its_notice(self, api):
        make_customer()
        make_excess_plan()
        data(subscribe(api), 201)
        notice = OutboxMessage.objects.get(topic="email")
        assert notice.payload["to"] == "billing@acme.example"
        assert notice.payload["subject"] == "Your subscription to Storage"
        assert "starting on 17 March 2026" in notice.payload["body"]

    def test_a_start_can_be_dated(self, api):
        make_customer()
        make_excess_plan()
        created = data(subscribe(api, timing="2026-04-01T00:00:00+02:00"), 201)
        assert (created["activeFrom"], created["status"]) == ("2026-03-31T22:00:00Z", "scheduled")

    def test_a_start_in_the_past_needs_the_scope_for_it(self, api):
        make_customer()
        make_excess_plan()
        seller = Api("subscriptions:write")
        problem = refused(subscribe(seller, timing="2026-03-01T00:00:00Z"), 403)
        assert "lacks the scope backdate" in problem["detail"]
        assert not Subscription.objects.exists()
        data(subscribe(seller, timing=(START - timedelta(minutes=1)).isoformat()), 201)
        make_customer(key="bolt", name="Bolt")
        data(subscribe(api, customerKey="bolt", timing="2026-03-01T00:00:00Z"), 201)

    def test_the_next_billing_cycle_is_that_of_the_running_subscription(self, api):
        make_customer()
        make_excess_plan()
        make_plan(key="support", cards=(flat_card(key="support"),))
        assert fields_at_fault(subscribe(api, timing="next_billing_cycle")) == {"timing": "no_billing_cycle"}
        data(subscribe(api), 201)
        created = data(subscribe(api, plan={"key": "support"}, timing="next_billing_cycle"), 201)
        assert created["activeFrom"] == "2026-04-17T00:00:00Z"

    def test_the_calendar_anchor_is_the_first_of_the_month_in_the_customers_zone(self, api):
        make_customer(time_zone="Europe/Berlin")
        make_excess_plan()
        created = data(subscribe(api, billingAnchor="calendar"), 201)
        assert (created["billingAnchor"], created["timezone"]) == ("2026-02-28T23:00:00Z", "Europe/Berlin")

    def test_quantities_are_those_that_flat_items_start_with(self, api):
        make_customer()
        make_plan()
        created = data(subscribe(api, quantities={"base": "5"}), 201)
        shown = data(api.get(f"/subscriptions/{created['id']}"))
        assert shown["phases"][0]["items"][0]["quantity"] == "5"

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            ({"customerKey": None}, {"customerId": "required"}),
            ({"customerKey": "nobody"}, {"customerKey": "customer_not_found"}),
            ({"customerId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, {"customerId": "customer_not_found"}),
            ({"customerId": "acme"}, {"customerId": "invalid"}),
            ({"plan": None}, {"plan": "plan_or_custom_plan"}),
            ({"plan": {"key": "nothing"}}, {"plan.key": "plan_not_found"}),
            ({"plan": {"key": "storage", "version": 2}}, {"plan.key": "plan_not_found"}),
            ({"plan": {"key": "storage", "version": 0}}, {"plan.version": "min_value"}),
            ({"timing": "tomorrow"}, {"timing": "invalid"}),
            ({"timing": "2026-02-30T00:00:00Z"}, {"timing": "invalid"}),
            ({"timing": "2126-01-01T00:00:00Z"}, {"timing": "start_too_far_away"}),
            ({"billingAnchor": "first"}, {"billingAnchor": "invalid"}),
            ({"startingPhase": "gold"}, {"startingPhase": "phase_not_found"}),
            ({"quantities": {"base": "many"}}, {"quantities.base": "invalid"}),
            ({"quantities": {"storage": "3"}}, {"quantities.storage": "not_a_flat_item"}),
            ({"quantities": ["base"]}, {"quantities": "invalid"}),
        ],
    )
    def test_a_wrong_body_names_its_fields_and_leaves_no_trace(self, api, change, fields):
        make_customer()
        make_excess_plan()
        assert fields_at_fault(subscribe(api, **change)) == fields
        assert not Subscription.objects.exists()
        assert not InvoiceLine.objects.exists()
        assert not OutboxMessage.objects.exists()

    def test_terms_of_the_customers_own_need_no_plan(self, api):
        make_customer()
        make_feature()
        phase = {
            "key": "only",
            "name": "Only",
            "rateCards": [
                {
                    "type": "usage_based",
                    "key": "storage",
                    "name": "Storage",
                    "featureKey": "storage",
                    "billingCadence": "P1M",
                    "price": {"type": "unit", "amount": "0.10"},
                }
            ],
        }
        custom = {"name": "Acme special", "currency": "EUR", "billingCadence": "P1M", "phases": [phase]}
        created = data(subscribe(api, plan=None, customPlan=custom), 201)
        assert created["name"] == "Acme special"
        assert "plan" not in created
        shown = data(api.get(f"/subscriptions/{created['id']}"))
        assert [item["featureKey"] for item in shown["phases"][0]["items"]] == ["storage"]

    def test_a_bad_price_of_such_terms_is_named_by_its_path(self, api):
        make_customer()
        card = {"type": "flat_fee", "key": "base", "name": "Base", "price": {"type": "flat", "amount": "-1"}}
        phase = {"key": "only", "name": "Only", "rateCards": [card]}
        custom = {"name": "Acme special", "currency": "EUR", "billingCadence": "P1M", "phases": [phase]}
        problem = fields_at_fault(subscribe(api, plan=None, customPlan=custom))
        assert set(problem) == {"customPlan.phases.0.rateCards.0.price.amount"}
        assert not Subscription.objects.exists()

    def test_a_draft_plan_is_400(self, api):
        make_customer()
        make_plan(effective_from=None)
        problem = refused(subscribe(api), 400)
        assert "Plan storage version 1 is draft, not active" in problem["detail"]

    def test_a_feature_that_the_customer_has_already_is_409(self, api):
        make_customer()
        make_excess_plan()
        data(subscribe(api), 201)
        assert "already has storage" in refused(subscribe(api), 409)["detail"]
        assert Subscription.objects.count() == 1

    def test_the_same_idempotency_key_starts_one_subscription(self, api):
        make_customer()
        make_excess_plan()
        body = {"customerKey": "acme", "plan": {"key": "storage"}}
        first = data(api.post("/subscriptions", body, Idempotency_Key="once"), 201)
        assert data(api.post("/subscriptions", body, Idempotency_Key="once"), 201) == first
        assert Subscription.objects.count() == 1


class TestGet:
    def test_phases_items_and_the_current_period_are_shown(self, api):
        make_customer()
        trial = flat_card(price={"type": "flat", "amount": "0"})
        storage = usage_card(feature=make_feature())
        make_plan(
            {"key": "trial", "duration": "P1M", "cards": (trial,)}, {"key": "paid", "cards": (flat_card(), storage)}
        )
        shown = data(api.get(f"/subscriptions/{data(subscribe(api), 201)['id']}"))
        assert shown["alignment"] == {
            "billablesMustAlign": True,
            "currentAlignedBillingPeriod": {"from": "2026-03-17T00:00:00Z", "to": "2026-04-17T00:00:00Z"},
        }
        assert [(p["key"], p["activeFrom"], p.get("activeTo")) for p in shown["phases"]] == [
            ("trial", "2026-03-17T00:00:00Z", "2026-04-17T00:00:00Z"),
            ("paid", "2026-04-17T00:00:00Z", None),
        ]
        paid = shown["phases"][1]
        assert [(item["key"], item["runningNumber"]) for item in paid["items"]] == [("base", 1), ("storage", 2)]
        item = paid["items"][1]
        assert item["price"] == {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}
        assert (item["featureKey"], item["included"]["feature"]["key"]) == ("storage", "storage")
        assert "quantity" not in item
        assert paid["itemTimelines"] == {"base": [paid["items"][0]], "storage": [item]}

    def test_a_one_time_item_shows_its_cadence_as_null(self, api):
        make_customer()
        make_plan(cards=(flat_card(billing_cadence=None), flat_card(key="free", price=None)))
        items = data(api.get(f"/subscriptions/{data(subscribe(api), 201)['id']}"))["phases"][0]["items"]
        assert items[0]["billingCadence"] is None
        assert items[1]["price"] is None

    def test_an_unknown_subscription_is_404(self, api):
        refused(api.get("/subscriptions/01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404)
        refused(api.get("/subscriptions/acme"), 404)

    @pytest.mark.parametrize("count", [3, 30])
    def test_the_number_of_queries_does_not_depend_on_the_number_of_items(self, api, count, django_assert_num_queries):
        make_customer()
        make_plan(cards=tuple(flat_card(key=f"item_{n}") for n in range(count)))
        created = data(subscribe(api), 201)
        api.get(f"/subscriptions/{created['id']}")
        with django_assert_num_queries(5):
            data(api.get(f"/subscriptions/{created['id']}"))


class TestList:
    def make(self, count):
        plan = make_plan()
        for n in range(count):
            customer = make_customer(key=f"customer-{n}", name=f"Customer {n}")
            Subscription.objects.create(
                customer=customer,
                plan=plan,
                name="Storage",
                currency="EUR",
                time_zone="UTC",
                billing_cadence="P1M",
                billing_anchor=START,
                active_from=START + timedelta(days=n - 1),
                active_to=START + timedelta(days=n) if n == 0 else None,
                reconcile_from=START,
            )

    @pytest.mark.parametrize("count", [3, 30])
    def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(self, api, count, django_assert_num_queries):
        self.make(count)
        api.get("/subscriptions")
        with django_assert_num_queries(2):
            page = data(api.get("/subscriptions"))
        assert (page["totalCount"], len(page["items"])) == (count, count)

    @pytest.mark.parametrize("count", [3, 30])
    def test_nor_does_it_for_the_subscriptions_of_one_customer(self, api, count, django_assert_num_queries):
        self.make(count)
        Subscription.objects.update(customer=Subscription.objects.first().customer)
        path = f"/customers/customer-{count - 1}/subscriptions"
        api.get(path)
        with django_assert_num_queries(3):
            assert data(api.get(path))["totalCount"] == count

    def test_a_list_is_narrowed_by_status(self, api):
        self.make(4)
        assert data(api.get("/subscriptions?status=scheduled"))["totalCount"] == 2
        assert data(api.get("/subscriptions?status=inactive&status=active"))["totalCount"] == 2
        assert data(api.get("/subscriptions?status=canceled"))["totalCount"] == 0
        assert set(fields_at_fault(api.get("/subscriptions?status=gone"))) == {"status"}

    def test_a_customer_has_a_list_of_their_own(self, api):
        self.make(3)
        page = data(api.get("/customers/customer-1/subscriptions"))
        assert [item["activeFrom"] for item in page["items"]] == ["2026-03-17T00:00:00Z"]
        refused(api.get("/customers/nobody/subscriptions"), 404)


class TestDelete:
    def test_a_scheduled_subscription_goes_with_what_waited_for_it(self, api):
        make_customer()
        make_excess_plan()
        created = data(subscribe(api, timing="2026-04-01T00:00:00Z"), 201)
        assert api.delete(f"/subscriptions/{created['id']}").status_code == 204
        assert not Subscription.objects.exists()
        assert not InvoiceLine.objects.exists()
        refused(api.delete(f"/subscriptions/{created['id']}"), 404)

    def test_one_that_has_begun_stays(self, api):
        make_customer()
        make_excess_plan()
        created = data(subscribe(api), 201)
        assert "cancel it instead" in refused(api.delete(f"/subscriptions/{created['id']}"), 412)["detail"]
        assert Subscription.objects.exists()
