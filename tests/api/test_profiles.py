"""Billing profiles and suppliers over REST."""

from typing import Any

import pytest

from core.audit.models import AuditEntry
from core.ids import to_text
from customers.models import BillingApp, BillingProfile, CustomerOverride, Supplier
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_excess_plan
from tests.support.closing import make_draft, make_issued, make_subscriber
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db
SUPPLIER = {
    "name": "Acme Billing GmbH",
    "taxId": {"code": "DE136695976"},
    "addresses": [{"country": "DE", "city": "Berlin"}],
}


@pytest.fixture(autouse=True)
def _default_profile(db):
    make_default_profile()


def apps(app=None):
    text = shown_id(app or BillingApp.objects.get(type="sandbox"))
    return {"tax": text, "invoicing": text, "payment": text}


def shown_id(row):
    return to_text(row.pk)


def body(**changes):
    return {
        "name": "Enterprise",
        "supplier": SUPPLIER,
        "default": False,
        "workflow": {},
        "apps": apps(),
    } | changes


def replacement(shown, **changes):
    """What a client sends back after reading a profile and changing something."""
    return {name: shown[name] for name in ("name", "supplier", "default", "workflow")} | changes


class TestCreating:
    def test_what_is_left_out_is_as_the_types_promise(self, api):
        shown = data(api.post("/billing/profiles", body()), 201)
        assert shown["workflow"] == {
            "collection": {"alignment": {"type": "subscription"}, "interval": "PT1H"},
            "invoicing": {
                "autoAdvance": True,
                "draftPeriod": "P0D",
                "dueAfter": "P30D",
                "progressiveBilling": True,
                "lateUsage": "bill",
            },
            "payment": {
                "collectionMethod": "charge_automatically",
                "dunningDays": [1, 3, 5, 7],
                "uncollectibleAfterDunning": False,
            },
            "tax": {"enabled": True, "enforced": False},
        }
        assert (shown["name"], shown["default"]) == ("Enterprise", False)
        assert {name: app["id"] for name, app in shown["apps"].items()} == apps()
        supplier = Supplier.objects.get(name="Acme Billing GmbH")
        assert shown["supplier"] == {"id": shown_id(supplier), **SUPPLIER}
        assert (supplier.invoice_prefix, supplier.credit_note_prefix) == ("ACME", "ACMECN")
        assert data(api.get(f"/billing/profiles/{shown['id']}")) == shown

    def test_every_field_is_kept(self, api):
        workflow: dict[str, Any] = {
            "collection": {
                "alignment": {
                    "type": "anchored",
                    "recurringPeriod": {"interval": "MONTH", "anchor": "2026-01-01T00:00:00Z"},
                },
                "interval": "P1D",
            },
            "invoicing": {
                "autoAdvance": False,
                "draftPeriod": "P2D",
                "dueAfter": "P45D",
                "progressiveBilling": True,
                "lateUsage": "ask",
                "progressiveBillingThreshold": {"amount": "250", "currency": "EUR"},
                "subscriptionEndProrationMode": "bill_actual_period",
                "defaultTaxConfig": {"behavior": "inclusive", "stripe": {"code": "txcd_10000000"}},
            },
            "payment": {
                "collectionMethod": "send_invoice",
                "dunningDays": [2, 4],
                "uncollectibleAfterDunning": True,
            },
            "tax": {"enabled": True, "enforced": True},
        }
        sent = body(workflow=workflow, description="For contracts", metadata={"team": "sales"})
        shown = data(api.post("/billing/profiles", sent), 201)
        del workflow["invoicing"]["subscriptionEndProrationMode"]
        assert shown["workflow"] == workflow
        assert (shown["description"], shown["metadata"]) == ("For contracts", {"team": "sales"})

    def test_the_same_supplier_is_matched_not_doubled(self, api):
        first = data(api.post("/billing/profiles", body()), 201)
        second = data(api.post("/billing/profiles", body(name="SaaS")), 201)
        by_id = data(api.post("/billing/profiles", body(name="C", supplier={"id": first["supplier"]["id"]})), 201)
        by_key = data(api.post("/billing/profiles", body(name="D", supplier={"key": "main"})), 201)
        assert second["supplier"] == first["supplier"] == by_id["supplier"]
        assert by_key["supplier"]["name"] == "My company"
        assert Supplier.objects.count() == 2

    def test_a_supplier_known_otherwise_is_refused(self, api):
        sent = body(supplier={"key": "main", "name": "Somebody else"})
        assert "known otherwise" in refused(api.post("/billing/profiles", sent), 409)["detail"]
        assert BillingProfile.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"supplier": None}, {"supplier": "required"}),
            ({"supplier": {}}, {"supplier.name": "required"}),
            (
                {"supplier": {"name": "X", "addresses": [{"country": "xx"}]}},
                {"supplier.addresses.0.country": "bad_country"},
            ),
            ({"name": ""}, {"name": "blank"}),
            ({"apps": None}, {"apps": "required"}),
            ({"workflow": None}, {"workflow": "required"}),
            ({"workflow": {"invoicing": {"dueAfter": "30 days"}}}, {"workflow.invoicing.dueAfter": "bad_duration"}),
            ({"workflow": {"invoicing": {"dueAfter": "P99Y"}}}, {"workflow.invoicing.dueAfter": "too_long"}),
            ({"workflow": {"payment": {"dunningDays": [3, 1]}}}, {"workflow.payment.dunningDays": "bad_days"}),
            (
                {"workflow": {"payment": {"collectionMethod": "cash"}}},
                {"workflow.payment.collectionMethod": "invalid_choice"},
            ),
            (
                {"workflow": {"collection": {"alignment": {"type": "anchored"}}}},
                {"workflow.collection.alignment.recurringPeriod": "required"},
            ),
            (
                {"workflow": {"invoicing": {"subscriptionEndProrationMode": "bill_full_period"}}},
                {"workflow.invoicing.subscriptionEndProrationMode": "not_offered"},
            ),
            (
                {"workflow": {"invoicing": {"progressiveBillingThreshold": {"amount": "0", "currency": "EUR"}}}},
                {"workflow.invoicing.progressiveBillingThreshold.amount": "not_positive"},
            ),
        ],
    )
    def test_bad_input_is_named_and_nothing_is_stored(self, api, changes, fields):
        assert fields_at_fault(api.post("/billing/profiles", body(**changes))) == fields
        assert BillingProfile.objects.count() == 1
        assert Supplier.objects.count() == 1

    def test_a_profile_has_one_app(self, api):
        other = BillingApp.objects.create(type="bank_transfer", name="Bank")
        sent = body(apps=apps() | {"payment": shown_id(other)})
        assert fields_at_fault(api.post("/billing/profiles", sent)) == {"apps": "several_apps"}
        unknown = dict.fromkeys(("tax", "invoicing", "payment"), "01G65Z755AFWAKHE12NY0CQ9FH")
        assert fields_at_fault(api.post("/billing/profiles", body(apps=unknown))) == {"apps.invoicing": "unknown_app"}

    def test_a_new_default_pins_who_would_change_the_app(self, api):
        old = BillingProfile.objects.get()
        customer = make_subscriber(make_excess_plan())
        bank = BillingApp.objects.create(type="bank_transfer", name="Bank")
        shown = data(api.post("/billing/profiles", body(default=True, apps=apps(bank))), 201)
        assert shown["default"] is True
        assert BillingProfile.objects.get(is_default=True).name == "Enterprise"
        assert CustomerOverride.objects.get(customer=customer).billing_profile == old


class TestReplacing:
    def test_what_is_left_out_is_cleared_but_for_what_clients_do_not_know_of(self, api):
        workflow = {
            "invoicing": {"dueAfter": "P45D", "progressiveBillingThreshold": {"amount": "10", "currency": "EUR"}},
            "payment": {"dunningDays": [9], "uncollectibleAfterDunning": True},
        }
        shown = data(api.post("/billing/profiles", body(workflow=workflow, description="x")), 201)
        url = f"/billing/profiles/{shown['id']}"
        changed = data(api.put(url, replacement(shown, name="Renamed", workflow={})))
        assert (changed["name"], "description" in changed) == ("Renamed", False)
        assert changed["workflow"]["invoicing"]["dueAfter"] == "P30D"
        assert changed["workflow"]["payment"]["dunningDays"] == [9]
        assert changed["workflow"]["payment"]["uncollectibleAfterDunning"] is True
        assert changed["workflow"]["invoicing"]["progressiveBillingThreshold"] == {"amount": "10", "currency": "EUR"}
        assert changed["apps"] == shown["apps"]

    def test_saying_the_same_again_changes_nothing(self, api):
        shown = data(api.post("/billing/profiles", body()), 201)
        entries = AuditEntry.objects.count()
        assert data(api.put(f"/billing/profiles/{shown['id']}", replacement(shown))) == shown
        assert AuditEntry.objects.count() == entries

    def test_the_data_of_its_supplier_are_corrected(self, api):
        shown = data(api.post("/billing/profiles", body()), 201)
        moved = shown["supplier"] | {"addresses": [{"country": "DE", "city": "Hamburg"}]}
        changed = data(api.put(f"/billing/profiles/{shown['id']}", replacement(shown, supplier=moved)))
        assert changed["supplier"] == moved
        unnamed = {"name": "Acme Billing AG"}
        changed = data(api.put(f"/billing/profiles/{shown['id']}", replacement(shown, supplier=unnamed)))
        assert changed["supplier"] == {"id": moved["id"], "name": "Acme Billing AG", "addresses": []}
        assert Supplier.objects.count() == 2

    def test_another_supplier_is_refused_while_business_is_open(self, api):
        make_subscriber(make_excess_plan())
        other = data(api.post("/suppliers", SUPPLIER | {"key": "berlin"}), 201)
        [default] = data(api.get("/billing/profiles"))["items"]
        sent = replacement(default, supplier={"id": other["id"]})
        problem = refused(api.put(f"/billing/profiles/{default['id']}", sent), 409)
        assert "1 of its customers have open business" in problem["detail"]
        assert BillingProfile.objects.get().supplier.key == "main"

    def test_another_supplier_is_taken_where_no_business_is_open(self, api):
        data(api.post("/suppliers", SUPPLIER | {"key": "berlin"}), 201)
        [default] = data(api.get("/billing/profiles"))["items"]
        sent = replacement(default, supplier={"key": "berlin"})
        assert data(api.put(f"/billing/profiles/{default['id']}", sent))["supplier"]["key"] == "berlin"

    def test_the_default_stays_one(self, api):
        [default] = data(api.get("/billing/profiles"))["items"]
        other = data(api.post("/billing/profiles", body()), 201)
        problem = refused(api.put(f"/billing/profiles/{default['id']}", replacement(default, default=False)), 409)
        assert "make another profile the default instead" in problem["detail"]
        assert data(api.put(f"/billing/profiles/{other['id']}", replacement(other, default=True)))["default"] is True
        assert [row["default"] for row in data(api.get("/billing/profiles"))["items"]] == [False, True]

    def test_drafts_keep_what_they_were_made_with(self, api):
        draft = make_draft(due_after="P3D")
        [default] = data(api.get("/billing/profiles"))["items"]
        later = default["workflow"] | {"invoicing": {"dueAfter": "P60D", "autoAdvance": False}}
        data(api.put(f"/billing/profiles/{default['id']}", replacement(default, workflow=later)))
        shown = data(api.get(f"/billing/invoices/{shown_id(draft)}"))
        assert shown["workflow"]["workflow"]["invoicing"]["dueAfter"] == "P3D"


class TestRemoving:
    def test_an_unneeded_profile_is_deleted(self, api):
        shown = data(api.post("/billing/profiles", body()), 201)
        data(api.delete(f"/billing/profiles/{shown['id']}"), 204)
        assert "deletedAt" in data(api.get(f"/billing/profiles/{shown['id']}"))
        assert len(data(api.get("/billing/profiles"))["items"]) == 1
        assert len(data(api.get("/billing/profiles?includeArchived=true"))["items"]) == 2
        refused(api.put(f"/billing/profiles/{shown['id']}", replacement(shown)), 404)
        refused(api.delete(f"/billing/profiles/{shown['id']}"), 404)

    def test_the_default_is_not(self, api):
        [default] = data(api.get("/billing/profiles"))["items"]
        assert (
            "Make another one the default first"
            in refused(api.delete(f"/billing/profiles/{default['id']}"), 409)["detail"]
        )

    def test_one_that_customers_are_pinned_to_is_not_but_can_be_archived(self, api):
        shown = data(api.post("/billing/profiles", body()), 201)
        customer = make_customer()
        data(api.put(f"/billing/customers/{shown_id(customer)}", {"billingProfileId": shown["id"]}))
        problem = refused(api.delete(f"/billing/profiles/{shown['id']}"), 409)
        assert problem["detail"] == "“Enterprise” was not deleted: 1 customer is pinned to it. Archive it instead."
        archived = data(api.post(f"/billing/profiles/{shown['id']}/archive", {"reason": "Old"}))
        assert "archivedAt" in archived
        restored = data(api.post(f"/billing/profiles/{shown['id']}/restore"))
        assert "archivedAt" not in restored

    def test_one_that_an_unpaid_invoice_needs_is_not(self, api):
        make_issued(decline=True)
        old = BillingProfile.objects.get()
        supplier = data(api.get(f"/billing/profiles/{shown_id(old)}"))["supplier"]
        data(api.post("/billing/profiles", body(default=True, supplier=supplier)), 201)
        problem = refused(api.delete(f"/billing/profiles/{shown_id(old)}"), 409)
        assert problem["detail"] == "“Default” was not deleted: 1 open invoice needs it. Archive it instead."

    def test_one_with_paid_invoices_only_is_deleted_and_they_keep_it(self, api):
        invoice = make_issued()
        old = BillingProfile.objects.get()
        supplier = data(api.get(f"/billing/profiles/{shown_id(old)}"))["supplier"]
        data(api.post("/billing/profiles", body(default=True, supplier=supplier)), 201)
        data(api.delete(f"/billing/profiles/{shown_id(old)}"), 204)
        assert data(api.get(f"/billing/invoices/{shown_id(invoice)}"))["workflow"][
            "sourceBillingProfileId"
        ] == shown_id(old)

    def test_an_archived_profile_can_not_be_the_default(self, api):
        shown = data(api.post("/billing/profiles", body()), 201)
        data(api.post(f"/billing/profiles/{shown['id']}/archive"))
        refused(api.put(f"/billing/profiles/{shown['id']}", replacement(shown, default=True)), 412)


class TestListing:
    @pytest.mark.parametrize("count", [3, 30])
    def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(self, api, count, django_assert_num_queries):
        for number in range(count):
            data(api.post("/billing/profiles", body(name=f"P{number:02}")), 201)
        with django_assert_num_queries(3):
            page = data(api.get("/billing/profiles?orderBy=name&order=DESC&expand=apps"))
        assert page["totalCount"] == count + 1
        assert page["items"][0]["name"] == f"P{count - 1:02}"
        assert page["items"][0]["apps"]["payment"]["listing"]["installMethods"] == ["no_credentials_required"]

    def test_reading_needs_its_scope_and_writing_another(self, db):
        reader = Api("billing:read")
        assert data(reader.get("/billing/profiles"))["totalCount"] == 1
        refused(reader.post("/billing/profiles", body()), 403)


class TestSuppliers:
    def test_a_supplier_lives(self, api):
        sent = SUPPLIER | {"key": "berlin", "invoicePrefix": "BER", "email": "billing@acme.example"}
        shown = data(api.post("/suppliers", sent), 201)
        assert (shown["invoicePrefix"], shown["creditNotePrefix"]) == ("BER", "BERCN")
        assert data(api.get("/suppliers/berlin")) == shown
        changed = data(api.put("/suppliers/berlin", sent | {"name": "Acme Berlin"}))
        assert changed["name"] == "Acme Berlin"
        assert [row["name"] for row in data(api.get("/suppliers"))["items"]] == ["Acme Berlin", "My company"]
        data(api.delete("/suppliers/berlin"), 204)
        refused(api.get("/suppliers/berlin"), 404)

    def test_what_is_taken_or_fixed_is_refused(self, api):
        data(api.post("/suppliers", SUPPLIER | {"key": "berlin", "invoicePrefix": "BER"}), 201)
        refused(api.post("/suppliers", {"name": "X", "key": "berlin"}), 409)
        refused(api.post("/suppliers", {"name": "X", "invoicePrefix": "BERCN"}), 409)
        refused(api.put("/suppliers/berlin", SUPPLIER | {"invoicePrefix": "HAM"}), 409)
        assert fields_at_fault(api.post("/suppliers", {"name": "X", "invoicePrefix": "no spaces"})) == {
            "invoicePrefix": "bad_prefix"
        }
        problem = refused(api.delete("/suppliers/main"), 409)
        assert "has billing profiles or invoices, and was not deleted" in problem["detail"]


def test_a_tax_id_or_country_that_is_none_is_refused_of_a_supplier_and_of_a_profiles_own(api):
    wrong = {"name": "Acme", "key": "acme_x", "taxId": {"code": "DE12"}, "addresses": [{"country": "EU"}]}
    answer = refused(api.post("/suppliers", wrong), 400)
    named = [problem["field"] for problem in answer["extensions"]["validationErrors"]]
    assert sorted(named) == ["addresses.0.country", "taxId.code"]
    assert "DE12 is not a tax id" in answer["detail"]
