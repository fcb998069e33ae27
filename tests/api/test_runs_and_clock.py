import pytest

from core import clock
from core.ids import to_text
from core.testclock.models import ClockSetting
from customers.models import Customer
from invoicing.choices import RunTrigger
from invoicing.models import BillingRun, Invoice
from invoicing.runs.advance_clock import advance_clock
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import work_shard
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db
MARCH_17 = at("2026-03-17")


@pytest.fixture(autouse=True)
def _default_profile(db):
    make_default_profile()


def subscribed(plan, start=MARCH_17, **customer):
    with clock.frozen_at(start):
        record_subscription(customer=make_customer(**customer), plan=plan, active_from=start)


def run_everything(moment=MARCH_17):
    with clock.frozen_at(moment):
        run = start_run(as_of=moment, trigger=RunTrigger.SCHEDULE)
        for shard in run.shards.all():
            work_shard(shard.id)
    return run


class TestRuns:
    def test_a_run_shows_what_came_of_it_for_whom(self, api):
        plan = make_plan()
        subscribed(plan)
        subscribed(plan, key="bolt", name="Bolt")
        run_everything()
        [shown] = data(api.get("/billing/runs"))["items"]
        assert (shown["status"], shown["trigger"], shown["customerCount"]) == ("done", "schedule", 2)
        assert (shown["asOf"], shown["outcomes"]) == ("2026-03-17T00:00:00Z", {"invoiced": 2})
        assert data(api.get(f"/billing/runs/{shown['id']}")) == shown
        rows = data(api.get(f"/billing/runs/{shown['id']}/customers?outcome=invoiced"))["items"]
        assert sorted((row["customerName"], row["invoiceCount"]) for row in rows) == [("Acme", 1), ("Bolt", 1)]
        assert data(api.get(f"/billing/runs/{shown['id']}/customers?outcome=parked"))["items"] == []

    @pytest.mark.parametrize("count", [3, 30])
    def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(self, api, count, django_assert_num_queries):
        plan = make_plan()
        for number in range(count):
            subscribed(plan, key=f"c{number}", name=f"Customer {number}")
            run_everything()
        api.get("/billing/runs")
        with django_assert_num_queries(4):
            assert data(api.get("/billing/runs"))["totalCount"] == count

    @pytest.mark.parametrize("count", [3, 30])
    def test_nor_on_the_number_of_customers_of_a_run(self, api, count, django_assert_num_queries):
        plan = make_plan()
        for number in range(count):
            subscribed(plan, key=f"c{number}", name=f"Customer {number}")
        run_everything()
        [run] = data(api.get("/billing/runs"))["items"]
        with django_assert_num_queries(4):
            assert data(api.get(f"/billing/runs/{run['id']}/customers"))["totalCount"] == count

    def test_a_call_starts_a_run_of_everything_due(self, api, django_capture_on_commit_callbacks):
        plan = make_plan()
        subscribed(plan)
        subscribed(plan, key="bolt", name="Bolt")
        with clock.frozen_at(MARCH_17), django_capture_on_commit_callbacks(execute=True):
            run = data(api.post("/billing/runs"), 201)
        assert (run["status"], run["trigger"], run["startedBy"]) == ("pending", "api", "API key Tests")
        assert (run["customerCount"], run["asOf"]) == (2, "2026-03-17T00:00:00Z")
        assert Invoice.objects.filter(number__isnull=False).count() == 0
        assert data(api.get(f"/billing/runs/{run['id']}"))["customerCount"] == 2

    def test_of_the_named_customers_only(self, api):
        plan = make_plan()
        subscribed(plan)
        subscribed(plan, key="bolt", name="Bolt")
        body = {"customerIds": [to_text(Customer.objects.get(key="bolt").id)]}
        with clock.frozen_at(MARCH_17):
            run = data(api.post("/billing/runs", body), 201)
        rows = data(api.get(f"/billing/runs/{run['id']}/customers"))["items"]
        assert [row["customerName"] for row in rows] == ["Bolt"]

    def test_starting_one_twice_bills_nobody_twice(self, api):
        subscribed(make_plan())
        with clock.frozen_at(MARCH_17):
            data(api.post("/billing/runs"), 201)
            assert "Nothing is due up to 2026-03-17 00:00:00 UTC" in refused(api.post("/billing/runs"), 409)["detail"]
        assert BillingRun.objects.count() == 1

    def test_the_key_that_starts_one_does_not_approve_its_drafts(self, api):
        make_default_profile(auto_advance=False)
        subscribed(make_plan())
        with clock.frozen_at(MARCH_17):
            data(api.post("/billing/runs"), 201)
            work_shard(BillingRun.objects.get().shards.get().id)
            draft = to_text(Invoice.objects.get(status="draft.manual_approval_needed").pk)
            problem = refused(api.post(f"/billing/invoices/{draft}/approve"), 403)
        assert "somebody else must approve it. Nothing was changed." in problem["detail"]

    def test_the_future_is_not_closed(self, api):
        subscribed(make_plan())
        with clock.frozen_at(MARCH_17):
            late = api.post("/billing/runs", {"asOf": "2026-03-17T00:00:01Z"})
        assert fields_at_fault(late) == {"asOf": "in_the_future"}
        assert not BillingRun.objects.exists()

    def test_an_unknown_run_is_404(self, api):
        refused(api.get("/billing/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404)


class TestClock:
    def test_it_goes_by_real_time_until_it_is_set(self, api):
        assert data(api.get("/test-clock")) == {"now": None, "status": "ready"}
        assert data(api.put("/test-clock", {"now": "2026-03-17T00:00:00Z"})) == {
            "now": "2026-03-17T00:00:00Z",
            "status": "ready",
        }
        assert data(api.get("/test-clock"))["now"] == "2026-03-17T00:00:00Z"
        assert data(api.put("/test-clock", {"now": None})) == {"now": None, "status": "ready"}

    def test_setting_it_forward_bills_everything_on_the_way(self, api):
        data(api.put("/test-clock", {"now": "2026-03-17T00:00:00Z"}))
        make_customer()
        make_excess_plan()
        created = data(api.post("/subscriptions", {"customerKey": "acme", "plan": {"key": "storage"}}), 201)
        assert created["activeFrom"] == "2026-03-17T00:00:00Z"
        moving = data(api.put("/test-clock", {"now": "2026-05-20T00:00:00Z"}))
        assert moving == {"now": "2026-03-17T00:00:00Z", "status": "advancing"}
        refused(api.put("/test-clock", {"now": "2026-06-20T00:00:00Z"}), 409)
        advance_clock()
        assert data(api.get("/test-clock")) == {"now": "2026-05-20T00:00:00Z", "status": "ready"}
        issued = Invoice.objects.filter(issued_at__isnull=False).order_by("sequence")
        assert [(str(invoice.total), invoice.issued_at) for invoice in issued] == [
            ("50.00", at("2026-03-17")),
            ("50.00", at("2026-04-17")),
            ("50.00", at("2026-05-17")),
        ]

    def test_it_only_goes_forward_once_there_is_something_to_bill(self, api):
        data(api.put("/test-clock", {"now": "2026-03-17T00:00:00Z"}))
        subscribed(make_plan())
        assert "only goes forward" in refused(api.put("/test-clock", {"now": "2026-03-16T00:00:00Z"}), 409)["detail"]
        assert ClockSetting.objects.get().now == MARCH_17

    @pytest.mark.parametrize("body", [{}, {"now": "soon"}, {"now": 0}])
    def test_a_wrong_time_is_named(self, api, body):
        assert set(fields_at_fault(api.put("/test-clock", body))) == {"now"}

    def test_where_it_is_not_allowed_it_says_so(self, api, settings):
        settings.BILLING_TEST_CLOCK = False
        assert "not allowed here" in refused(api.put("/test-clock", {"now": "2026-03-17T00:00:00Z"}), 412)["detail"]


class TestPendingLines:
    def test_what_is_due_is_invoiced_at_once(self, api):
        subscribed(make_excess_plan())
        customer = data(api.get("/customers/acme"))["id"]
        with clock.frozen_at(MARCH_17):
            [invoice] = data(api.post("/billing/invoices/invoice", {"customerId": customer}), 201)
            assert (invoice["number"], invoice["totals"]["total"]) == ("INV-000001", "50.00")
            assert [line["name"] for line in invoice["lines"]] == ["Base fee"]
            problem = refused(api.post("/billing/invoices/invoice", {"customerId": customer}), 400)
        assert "has nothing to invoice" in problem["detail"]
        assert Invoice.objects.filter(issued_at__isnull=False).count() == 1

    def test_only_the_lines_asked_for_are_invoiced(self, api):
        subscribed(make_plan())
        customer = data(api.get("/customers/acme"))["id"]
        body = {"customerId": customer, "filters": {"lineIds": ["01ARZ3NDEKTSV4RRFFQ69G5FAV"]}}
        with clock.frozen_at(MARCH_17):
            assert fields_at_fault(api.post("/billing/invoices/invoice", body)) == {"filters.lineIds": "not_due"}
            body = {"customerId": customer, "asOf": "2026-03-18T00:00:00Z"}
            assert fields_at_fault(api.post("/billing/invoices/invoice", body)) == {"asOf": "in_the_future"}
            assert set(fields_at_fault(api.post("/billing/invoices/invoice", {"customerId": "acme"}))) == {"customerId"}
        assert Customer.objects.count() == 1


class TestPreview:
    def test_it_shows_what_a_close_would_bill_and_writes_nothing(self, api):
        subscribed(make_excess_plan())
        with clock.frozen_at(MARCH_17):
            shown = data(api.get("/customers/acme/preview-invoices?until=2026-04-17T00:00:00Z"))
            assert [(each["at"], each["currency"], each["totals"]["total"]) for each in shown] == [
                ("2026-03-17T00:00:00Z", "EUR", "50.00"),
                ("2026-04-17T00:00:00Z", "EUR", "50.00"),
            ]
            assert [
                (line["name"], line["runningNumber"], line["totals"]["total"])
                for each in shown
                for line in each["lines"]
            ] == [("Base fee", 1, "50.00"), ("Base fee", 1, "50.00")]
            [now] = data(api.get("/customers/acme/preview-invoices"))
            assert now["totals"]["total"] == "50.00"
            far = api.get("/customers/acme/preview-invoices?until=2036-04-17T00:00:00Z")
            assert fields_at_fault(far) == {"until": "too_far_away"}
        assert not Invoice.objects.exists()
