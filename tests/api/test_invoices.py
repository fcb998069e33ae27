from decimal import Decimal

import pytest

from core import clock
from entitlements.models import UsageEvent
from invoicing.closing.close_customers import close_customers
from invoicing.models import Invoice, TaxRate
from subscriptions.lifecycle.record_report import record_report
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import flat_card, make_excess_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db
START = at("2026-03-17")


@pytest.fixture(autouse=True)
def _default_profile(db):
    make_default_profile()


def bill(customer, moment):
    with clock.frozen_at(at(moment)):
        close_customers([customer.id], as_of=at(moment))


def subscribe(plan=None, start=START, **overrides):
    customer = make_customer(**overrides)
    with clock.frozen_at(start):
        subscription = record_subscription(customer=customer, plan=plan or make_excess_plan(), active_from=start)
    return customer, subscription


def excess_story():
    """Billing rules 4 up to 17 April: 50.00, then 58.00."""
    customer, subscription = subscribe()
    bill(customer, "2026-03-17")
    with clock.frozen_at(at("2026-04-16T22:00")):
        record_report(item=subscription.items.get(running_number=2), quantity=Decimal(200))
    bill(customer, "2026-04-17")
    return customer


def invoices(api, query="", now="2026-04-20"):
    with clock.frozen_at(at(now)):
        return data(api.get(f"/billing/invoices{query}"))


class TestGet:
    def test_an_issued_invoice_shows_number_parties_totals_and_terms(self, api):
        make_default_profile(due_after="P14D")
        excess_story()
        shown = invoices(api, "?statuses=issued&statuses=paid")["items"][0]
        assert shown["number"] == "INV-000002"
        assert (shown["type"], shown["currency"]) == ("standard", "EUR")
        assert shown["supplier"]["name"] == "My company"
        assert (shown["customer"]["name"], shown["customer"]["usageAttribution"]) == ("Acme", {"subjectKeys": ["acme"]})
        assert shown["totals"] == {
            "amount": "58.00",
            "chargesTotal": "0.00",
            "discountsTotal": "0.00",
            "creditsTotal": "0.00",
            "taxesInclusiveTotal": "0.00",
            "taxesExclusiveTotal": "0.00",
            "taxesTotal": "0.00",
            "total": "58.00",
        }
        assert (shown["issuedAt"], shown["dueAt"]) == ("2026-04-17T00:00:00Z", "2026-05-01T00:00:00Z")
        assert shown["period"] == {"from": "2026-03-17T00:00:00Z", "to": "2026-05-17T00:00:00Z"}
        assert shown["amounts"]["total"] == "58.00"
        assert shown["statusDetails"]["immutable"] is True
        assert shown["workflow"]["workflow"]["invoicing"] == {
            "autoAdvance": True,
            "draftPeriod": "PT0S",
            "dueAfter": "P14D",
            "progressiveBilling": False,
            "lateUsage": "bill",
        }
        assert shown["payment"]["terms"]["dueAt"][0]["dueAt"] == "2026-05-01T00:00:00Z"
        assert "lines" not in shown

    def test_lines_show_where_they_come_from_and_what_they_are_made_of(self, api):
        excess_story()
        listed = invoices(api, "?statuses=issued&statuses=paid")["items"][0]
        shown = data(api.get(f"/billing/invoices/{listed['id']}"))
        base, excess = shown["lines"]
        assert (base["name"], base["totals"]["total"]) == ("Base fee", "50.00")
        assert (excess["name"], excess["totals"]["total"], excess["quantity"]) == ("Excess storage", "8.00", "200")
        assert excess["period"] == {"from": "2026-03-17T00:00:00Z", "to": "2026-04-17T00:00:00Z"}
        assert excess["price"] == {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}
        assert excess["rateCard"]["featureKey"] == excess["featureKey"] == "storage"
        assert excess["invoice"] == {"id": shown["id"], "number": "INV-000002"}
        assert set(excess["subscription"]) == {"subscription", "phase", "item", "billingPeriod"}
        [child] = excess["children"]
        assert (child["quantity"], child["perUnitAmount"], child["totals"]["total"]) == ("8", "1", "8.00")
        assert (child["status"], child["type"], child["category"]) == ("detailed", "flat_fee", "regular")

    def test_a_discount_is_shown_with_its_reason_and_amount(self, api):
        storage = usage_card(
            feature=make_feature(), discounts={"percentage": {"percentage": 50}, "usage": {"quantity": "100"}}
        )
        customer, subscription = subscribe(make_plan(cards=(storage,)))
        with clock.frozen_at(at("2026-04-16")):
            record_report(item=subscription.items.get(), quantity=Decimal(300))
        bill(customer, "2026-04-17")
        [shown] = invoices(api, "?statuses=paid&statuses=issued&expand=lines")["items"]
        [line] = shown["lines"]
        assert (line["totals"]["amount"], line["totals"]["discountsTotal"], line["totals"]["total"]) == (
            "8.00",
            "4.00",
            "4.00",
        )
        [amount], [usage] = line["discounts"]["amount"], line["discounts"]["usage"]
        assert (amount["reason"], amount["amount"]) == ({"type": "ratecard_percentage", "percentage": 50}, "4.00")
        assert (usage["reason"], usage["quantity"]) == ({"type": "ratecard_usage", "quantity": "100"}, "100")
        [again] = invoices(api, "?statuses=paid&statuses=issued&expand=lines")["items"]
        assert again["lines"][0]["discounts"] == line["discounts"]

    def test_apps_are_shown_whole_only_on_request(self, api):
        excess_story()
        listed = invoices(api, "?statuses=paid&statuses=issued")["items"][0]
        assert "apps" not in listed["workflow"]
        shown = data(api.get(f"/billing/invoices/{listed['id']}?expand=workflow.apps"))
        assert shown["workflow"]["apps"]["payment"]["type"] == "sandbox"
        assert len(shown["workflow"]["sourceBillingProfileId"]) == 26

    def test_an_unknown_invoice_or_expansion_is_refused(self, api):
        refused(api.get("/billing/invoices/01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404)
        assert set(fields_at_fault(api.get("/billing/invoices?expand=everything"))) == {"expand"}
        assert set(fields_at_fault(api.get("/billing/invoices/x?expand=everything"))) == {"expand"}


class TestGathering:
    def test_it_shows_what_metered_usage_comes_to_so_far(self, api):
        tokens = usage_card(
            key="tokens",
            feature=make_feature(key="tokens", meter=make_meter()),
            price={"type": "unit", "amount": "0.25"},
        )
        customer, _ = subscribe(make_plan(cards=(flat_card(), tokens)))
        bill(customer, "2026-03-17")
        UsageEvent.objects.create(
            source="app", external_id="1", type="usage", subject="acme", time=at("2026-03-20"), data={"amount": 10}
        )
        [shown] = invoices(api, "?statuses=gathering&expand=lines", now="2026-03-21")["items"]
        assert shown["number"].startswith("GATHER-")
        assert [(line["name"], line["totals"]["total"]) for line in shown["lines"]] == [
            ("Base fee", "50.00"),
            ("Excess storage", "2.50"),
        ]
        # Billing rules 6: what an invoice made now would come to. The fee of the month ahead is owed by nobody yet.
        assert shown["totals"]["total"] == "2.50"
        assert shown["beginsLater"] == "50.00"
        assert shown["statusDetails"]["availableActions"] == {"invoice": {}}
        [earlier] = invoices(api, "?statuses=gathering", now="2026-03-19")["items"]
        assert (earlier["totals"]["total"], earlier["beginsLater"]) == ("0.00", "50.00")

    def test_it_adds_up_by_its_lines_also_with_tax(self, api):
        """50.00 and 3 x 3.33 at 19 %: 11.40 on 59.99, as 9.50 and 0.64 and 0.63 and 0.63."""
        TaxRate.objects.create(country="DE", rate=Decimal(19), name="VAT", valid_from=at("2020-01-01"))
        thirds = [flat_card(key=f"third{n}", price={"type": "flat", "amount": "3.33"}) for n in range(3)]
        customer, _ = subscribe(make_plan(cards=(flat_card(), *thirds)), country="DE")
        make_default_profile(tax_enabled=True)
        bill(customer, "2026-03-17")
        [shown] = invoices(api, "?statuses=gathering&expand=lines")["items"]
        assert [line["totals"]["total"] for line in shown["lines"]] == ["59.50", "3.97", "3.96", "3.96"]
        assert {line["totals"]["creditsTotal"] for line in shown["lines"]} == {"0.00"}
        totals = shown["totals"]
        assert (totals["amount"], totals["taxesTotal"], totals["total"]) == ("59.99", "11.40", "71.39")
        [issued] = invoices(api, "?statuses=paid&statuses=issued")["items"]
        assert issued["totals"] == totals

    def test_it_follows_the_profile_of_now(self, api):
        customer, _ = subscribe()
        bill(customer, "2026-03-17")
        make_default_profile(due_after="P45D")
        [gathering] = invoices(api, "?statuses=gathering")["items"]
        assert gathering["workflow"]["workflow"]["invoicing"]["dueAfter"] == "P45D"
        [paid] = invoices(api, "?statuses=paid&statuses=issued")["items"]
        assert paid["workflow"]["workflow"]["invoicing"]["dueAfter"] == "P30D"

    def test_nothing_is_written_by_looking(self, api):
        customer, _ = subscribe()
        bill(customer, "2026-03-17")
        before = list(Invoice.objects.order_by("id").values())
        invoices(api, "?expand=lines")
        assert list(Invoice.objects.order_by("id").values()) == before

    def test_what_stands_in_the_way_is_shown_instead_of_amounts(self, api):
        meter = make_meter()
        tokens = usage_card(key="tokens", feature=make_feature(key="tokens", meter=meter))
        customer, _ = subscribe(make_plan(cards=(flat_card(), tokens)))
        bill(customer, "2026-03-17")
        meter.deleted_at = at("2026-03-18")
        meter.save()
        [shown] = invoices(api, "?statuses=gathering&expand=lines")["items"]
        assert "meter usage, which was deleted" in shown["validationIssues"][0]["message"]
        assert shown["totals"]["total"] == "0.00"


class TestList:
    def make(self, count):
        plan = make_excess_plan()
        for n in range(count):
            customer, _ = subscribe(plan, key=f"customer-{n}", name=f"Customer {n:02}")
            bill(customer, "2026-03-17")

    @pytest.mark.parametrize("count", [3, 30])
    @pytest.mark.parametrize(
        ("query", "queries"),
        [
            ("?statuses=paid&statuses=issued", 2),
            ("?statuses=paid&statuses=issued&expand=lines", 4),
            ("?expand=lines", 20),
        ],
    )
    def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(
        self, api, count, query, queries, django_assert_num_queries
    ):
        self.make(count)
        invoices(api, query)
        with django_assert_num_queries(queries):
            assert invoices(api, query)["totalCount"] % count == 0

    def test_it_is_narrowed_by_status_customer_and_time(self, api):
        customer = excess_story()
        other, _ = subscribe(make_plan(key="other"), key="bolt", name="Bolt", start=at("2026-04-18"))
        bill(other, "2026-04-18")
        assert invoices(api)["totalCount"] == 5
        assert invoices(api, "?statuses=gathering")["totalCount"] == 2
        acme = data(api.get("/customers/acme"))["id"]
        assert invoices(api, f"?customers={acme}&statuses=paid&statuses=issued")["totalCount"] == 2
        assert invoices(api, "?issuedAfter=2026-04-17T00:00:00Z")["totalCount"] == 2
        assert invoices(api, "?issuedAfter=2026-04-17T00:00:00Z&issuedBefore=2026-04-17T00:00:00Z")["totalCount"] == 1
        assert (
            invoices(api, "?periodStartAfter=2026-04-18T00:00:00Z&issuedAfter=2026-01-01T00:00:00Z")["totalCount"] == 1
        )
        assert invoices(api, "?createdBefore=2026-03-17T00:00:00Z")["totalCount"] == 2
        assert invoices(api, "?extendedStatuses=gathering")["totalCount"] == 2
        assert customer.invoices.count() == 3

    def test_it_is_ordered_as_asked(self, api):
        self.make(3)
        names = [
            invoice["customer"]["name"]
            for invoice in invoices(api, "?statuses=paid&statuses=issued&orderBy=customer.name&order=ASC")["items"]
        ]
        assert names == ["Customer 00", "Customer 01", "Customer 02"]
        assert set(fields_at_fault(api.get("/billing/invoices?orderBy=total"))) == {"orderBy"}
        assert set(fields_at_fault(api.get("/billing/invoices?statuses=open"))) == {"statuses"}
        assert set(fields_at_fault(api.get("/billing/invoices?issuedAfter=yesterday"))) == {"issuedAfter"}


class TestDraft:
    def draft(self, api, **profile):
        make_default_profile(auto_advance=False, **profile)
        customer, _ = subscribe()
        bill(customer, "2026-03-17")
        [draft] = invoices(api, "?statuses=draft", now="2026-03-18")["items"]
        return draft

    def test_it_shows_no_number_of_a_series_and_what_can_be_done(self, api):
        draft = self.draft(api)
        assert draft["number"] == f"DRAFT-{draft['id'][-10:]}"
        assert draft["statusDetails"] == {
            "immutable": False,
            "failed": False,
            "extendedStatus": "draft.manual_approval_needed",
            "availableActions": {"approve": {"resultingState": "issued"}, "delete": {"resultingState": "deleted"}},
        }

    def test_approving_issues_it(self, api):
        draft = self.draft(api, collection_method="send_invoice")
        with clock.frozen_at(at("2026-03-18")):
            issued = data(api.post(f"/billing/invoices/{draft['id']}/approve"))
        assert (issued["number"], issued["status"], issued["issuedAt"]) == (
            "INV-000001",
            "issued",
            "2026-03-18T00:00:00Z",
        )
        assert [line["totals"]["total"] for line in issued["lines"]] == ["50.00"]
        refused(api.post(f"/billing/invoices/{draft['id']}/approve"), 412)

    def test_it_advances_when_its_time_has_come(self, api):
        make_default_profile(draft_period="P2D", collection_method="send_invoice")
        customer, _ = subscribe()
        bill(customer, "2026-03-17")
        [draft] = invoices(api, "?statuses=draft", now="2026-03-18")["items"]
        assert draft["draftUntil"] == "2026-03-19T00:00:00Z"
        with clock.frozen_at(at("2026-03-18")):
            assert (
                "approved automatically" in refused(api.post(f"/billing/invoices/{draft['id']}/advance"), 412)["detail"]
            )
        with clock.frozen_at(at("2026-03-19")):
            assert data(api.post(f"/billing/invoices/{draft['id']}/advance"))["status"] == "issued"

    def test_the_step_that_failed_is_retried_and_no_other(self, api):
        make_default_profile(draft_period="P2D", collection_method="send_invoice")
        customer, _ = subscribe()
        bill(customer, "2026-03-17")
        [draft] = invoices(api, "?statuses=draft", now="2026-03-18")["items"]
        assert "retry" not in draft["statusDetails"]["availableActions"]
        retry = f"/billing/invoices/{draft['id']}/retry"
        with clock.frozen_at(at("2026-03-18")):
            assert "No step of it has failed" in refused(api.post(retry), 412)["detail"]
            Invoice.objects.filter(status__startswith="draft.").update(status="draft.invalid", status_note="No rate")
            [draft] = invoices(api, "?statuses=draft", now="2026-03-18")["items"]
            assert draft["statusDetails"]["availableActions"] == {
                "retry": {"resultingState": "issued"},
                "delete": {"resultingState": "deleted"},
            }
            assert "retry that step" in refused(api.post(f"/billing/invoices/{draft['id']}/advance"), 412)["detail"]
            assert data(api.post(retry))["status"] == "issued"
            assert refused(api.post(retry), 412)["detail"].startswith("No step of it has failed")

    def test_its_quantities_can_be_collected_early(self, api):
        make_default_profile(collection_interval="P1D")
        customer, subscription = subscribe()
        bill(customer, "2026-03-17")
        with clock.frozen_at(at("2026-04-16")):
            record_report(item=subscription.items.get(running_number=2), quantity=Decimal(200))
        bill(customer, "2026-04-17")
        [draft] = invoices(api, "?statuses=draft", now="2026-04-17")["items"]
        assert "snapshotQuantities" in draft["statusDetails"]["availableActions"]
        with clock.frozen_at(at("2026-04-17T01:00")):
            shown = data(api.post(f"/billing/invoices/{draft['id']}/snapshot-quantities"))
            assert shown["quantitySnapshotedAt"] == "2026-04-17T01:00:00Z"
            refused(api.post(f"/billing/invoices/{draft['id']}/snapshot-quantities"), 412)

    def test_a_deleted_draft_is_billed_again_unless_it_is_waived(self, api):
        draft = self.draft(api)
        with clock.frozen_at(at("2026-03-18")):
            assert api.delete(f"/billing/invoices/{draft['id']}").status_code == 204
            refused(api.delete(f"/billing/invoices/{draft['id']}"), 412)
        assert invoices(api, "?statuses=draft")["totalCount"] == 0
        [deleted] = invoices(api, "?statuses=draft&includeDeleted=true")["items"] or [None]
        assert deleted["deletedAt"] == "2026-03-18T00:00:00Z"
        customer = Invoice.objects.first().customer
        bill(customer, "2026-03-18")
        [again] = invoices(api, "?statuses=draft")["items"]
        with clock.frozen_at(at("2026-03-19")):
            assert api.delete(f"/billing/invoices/{again['id']}?rebill=false&reason=Goodwill").status_code == 204
        bill(customer, "2026-03-20")
        assert invoices(api, "?statuses=draft")["totalCount"] == 0

    def test_an_issued_invoice_can_not_be_deleted(self, api):
        excess_story()
        issued = invoices(api, "?statuses=paid&statuses=issued")["items"][0]
        assert "Only drafts can be deleted" in refused(api.delete(f"/billing/invoices/{issued['id']}"), 412)["detail"]


class TestSimulation:
    LINE = {
        "name": "Storage",
        "period": {"from": "2026-03-17T00:00:00Z", "to": "2026-04-17T00:00:00Z"},
        "invoiceAt": "2026-04-17T00:00:00Z",
        "quantity": "200",
        "rateCard": {"price": {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}},
    }

    def simulate(self, api, *lines, **body):
        sent = {"currency": "EUR", "lines": [self.LINE | line for line in lines or ({},)]}
        return api.post("/billing/customers/acme/invoices/simulate", sent | body)

    def test_lines_are_rated_and_not_stored(self, api):
        make_customer()
        shown = data(self.simulate(api, {}, {"name": "More", "quantity": "201"}))
        assert [(line["name"], line["totals"]["total"]) for line in shown["lines"]] == [
            ("Storage", "8.00"),
            ("More", "9.00"),
        ]
        assert shown["totals"]["total"] == "17.00"
        assert shown["status"] == "draft"
        assert not Invoice.objects.exists()

    def test_what_the_period_had_before_counts(self, api):
        make_customer()
        shown = data(
            self.simulate(api, {"quantity": "1", "preLinePeriodQuantity": "24"}, {"preLinePeriodQuantity": "10"})
        )
        assert [line["totals"]["total"] for line in shown["lines"]] == ["0.00", "8.00"]

    def test_a_line_may_give_its_price_without_a_rate_card(self, api):
        make_customer()
        flat = {"rateCard": None, "price": {"type": "flat", "amount": "9.99"}, "quantity": "1"}
        assert data(self.simulate(api, flat, number="SIM-1"))["totals"]["total"] == "9.99"

    @pytest.mark.parametrize(
        ("line", "body", "field"),
        [
            ({"quantity": "many"}, {}, "lines.0.quantity"),
            ({"rateCard": {"price": {"type": "magic"}}}, {}, "lines.0.rateCard.price.type"),
            ({"rateCard": None}, {}, "lines.0.rateCard.price"),
            ({"rateCard": {"price": {"type": "unit", "amount": "-1"}}}, {}, "lines.0.rateCard.price.amount"),
            ({"period": {"from": "2026-04-17T00:00:00Z", "to": "2026-03-17T00:00:00Z"}}, {}, "lines.0.period.to"),
            ({}, {"currency": "euro"}, "currency"),
        ],
    )
    def test_a_wrong_line_is_named(self, api, line, body, field):
        make_customer()
        assert set(fields_at_fault(self.simulate(api, line, **body))) == {field}
