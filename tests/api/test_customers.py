import pytest

from core.audit.models import AuditEntry
from core.ids import to_text
from customers.models import Customer
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db

ACME = {
    "name": "Acme",
    "key": "acme",
    "description": "Makers of everything",
    "metadata": {"crm": "4711"},
    "usageAttribution": {"subjectKeys": ["acme-eu", "acme-us"]},
    "primaryEmail": "billing@acme.example",
    "currency": "EUR",
    "billingAddress": {"country": "DE", "city": "Berlin", "postalCode": "10115", "line1": "Chausseestr. 1"},
}


class TestCreate:
    def test_what_was_sent_is_shown_under_id_and_key(self, api):
        created = data(api.post("/customers", ACME), 201)
        assert {name: created[name] for name in ACME} == ACME
        assert created["timezone"] == "UTC"
        assert len(created["id"]) == 26
        assert created["createdAt"].endswith("Z")
        assert "deletedAt" not in created
        assert data(api.get(f"/customers/{created['id']}")) == created
        assert data(api.get("/customers/acme")) == created

    def test_without_subjects_the_key_is_the_subject(self, api):
        created = data(api.post("/customers", {"name": "Acme", "key": "acme"}), 201)
        assert created["usageAttribution"] == {"subjectKeys": ["acme"]}
        assert created["metadata"] == {}
        assert {"description", "primaryEmail", "currency", "billingAddress"}.isdisjoint(created)

    def test_a_key_may_hold_dots(self, api):
        data(api.post("/customers", {"name": "Acme", "key": "acme.example"}), 201)
        data(api.get("/customers/acme.example"))

    def test_a_key_or_subject_of_another_is_409_and_stores_nothing(self, api):
        data(api.post("/customers", ACME), 201)
        assert "acme" in refused(api.post("/customers", ACME), 409)["detail"]
        body = {"name": "Bolt", "key": "bolt", "usageAttribution": {"subjectKeys": ["bolt", "acme-us"]}}
        assert "acme-us" in refused(api.post("/customers", body), 409)["detail"]
        assert Customer.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": None}, "name"),
            ({"name": ""}, "name"),
            ({"name": "x" * 257}, "name"),
            ({"currency": "eur"}, "currency"),
            ({"currency": "XXX"}, "currency"),
            ({"primaryEmail": "nobody"}, "primaryEmail"),
            ({"billingAddress": {"country": "Germany"}}, "billingAddress.country"),
            ({"billingAddress": {"country": "de"}}, "billingAddress.country"),
            ({"billingAddress": "Berlin"}, "billingAddress"),
            ({"usageAttribution": {}}, "usageAttribution.subjectKeys"),
            ({"usageAttribution": {"subjectKeys": ["a", ""]}}, "usageAttribution.subjectKeys.1"),
            ({"usageAttribution": {"subjectKeys": ["a", "a"]}}, "usageAttribution.subjectKeys.1"),
            ({"metadata": {"a": 1}}, "metadata"),
            ({"metadata": []}, "metadata"),
            ({"timezone": "Mars/Olympus"}, "timezone"),
        ],
    )
    def test_a_bad_field_is_400_and_stores_nothing(self, api, change, field):
        assert list(fields_at_fault(api.post("/customers", ACME | change))) == [field]
        assert not Customer.objects.exists()

    def test_the_audit_trail_names_the_key_that_did_it(self, api):
        data(api.post("/customers", ACME), 201)
        assert AuditEntry.objects.get().sentence == "API key Tests created the customer Acme."


class TestReplace:
    def test_what_is_left_out_is_cleared(self, api):
        created = data(api.post("/customers", ACME | {"timezone": "Europe/Berlin"}), 201)
        shown = data(api.put("/customers/acme", {"name": "Acme Ltd", "key": "acme"}))
        assert shown["name"] == "Acme Ltd"
        assert {"description", "primaryEmail", "currency", "billingAddress"}.isdisjoint(shown)
        assert shown["usageAttribution"] == {"subjectKeys": ["acme"]}
        assert shown["timezone"] == "Europe/Berlin"
        assert shown["id"] == created["id"]

    def test_subjects_that_are_given_up_are_free_for_another(self, api):
        data(api.post("/customers", ACME), 201)
        data(api.put("/customers/acme", ACME | {"usageAttribution": {"subjectKeys": ["acme-eu"]}}))
        body = {"name": "Bolt", "usageAttribution": {"subjectKeys": ["acme-us"]}}
        data(api.post("/customers", body), 201)
        refused(api.put("/customers/acme", ACME), 409)

    def test_the_same_again_changes_nothing(self, api):
        first = data(api.post("/customers", ACME), 201)
        assert data(api.put("/customers/acme", ACME)) == first
        assert AuditEntry.objects.count() == 1

    def test_the_key_of_another_is_409(self, api):
        make_customer(key="bolt", name="Bolt")
        data(api.post("/customers", ACME), 201)
        refused(api.put("/customers/acme", ACME | {"key": "bolt"}), 409)


class TestDelete:
    def test_a_deleted_customer_shows_by_id_only_and_frees_its_key_and_subjects(self, api):
        created = data(api.post("/customers", ACME), 201)
        data(api.delete("/customers/acme"), 204)
        assert data(api.get(f"/customers/{created['id']}"))["deletedAt"]
        refused(api.get("/customers/acme"), 404)
        refused(api.delete("/customers/acme"), 404)
        refused(api.put(f"/customers/{created['id']}", ACME), 404)
        again = data(api.post("/customers", ACME), 201)
        assert again["id"] != created["id"]
        assert data(api.get("/customers/acme"))["id"] == again["id"]


class TestList:
    @pytest.fixture(autouse=True)
    def customers(self, db):
        make_customer(key="acme", name="Acme")
        make_customer(key="bolt", name="Bolt Works", primary_email="pay@bolt.example", subjects=("bolt-1", "bolt-2"))

    def keys(self, api, query=""):
        return [item["key"] for item in data(api.get(f"/customers{query}"))["items"]]

    @pytest.mark.parametrize(
        ("query", "keys"),
        [
            ("", ["acme", "bolt"]),
            ("?key=BOL", ["bolt"]),
            ("?name=works", ["bolt"]),
            ("?primaryEmail=PAY@", ["bolt"]),
            ("?subject=LT-2", ["bolt"]),
            ("?subject=nobody", []),
            ("?orderBy=name&order=DESC", ["bolt", "acme"]),
            ("?name=%25", []),
        ],
    )
    def test_filters_match_in_part_and_in_any_case(self, api, query, keys):
        assert self.keys(api, query) == keys

    def test_deleted_customers_show_only_when_asked_for(self, api):
        data(api.delete("/customers/bolt"), 204)
        assert self.keys(api) == ["acme"]
        assert self.keys(api, "?includeDeleted=true") == ["acme", "bolt"]
        assert self.keys(api, "?includeDeleted=false") == ["acme"]

    @pytest.mark.parametrize("query", ["?includeDeleted=maybe", "?name=a%00b"])
    def test_a_filter_that_cant_be_read_is_400(self, api, query):
        refused(api.get(f"/customers{query}"), 400)

    def test_the_number_of_queries_does_not_grow_with_the_list(self, api, django_assert_num_queries):
        data(api.get("/customers"))
        with django_assert_num_queries(4):  # test clock, key, customers, subjects
            assert len(self.keys(api)) == 2
        for number in range(28):
            make_customer(key=f"c{number}", name=f"C{number}")
        with django_assert_num_queries(4):
            assert len(self.keys(api)) == 30


def test_the_list_is_read_on_from_the_time_of_its_last_one(api):
    for day in (1, 2, 3):
        make_customer(key=f"c{day}", name=f"C{day}", created_at=at(f"2026-04-0{day}"))
    read = "/customers?orderBy=createdAt&pageSize=2"
    first = data(api.get(read))["items"]
    then = data(api.get(f"{read}&createdAfter={first[-1]['createdAt']}"))["items"]
    assert [[item["key"] for item in page] for page in (first, then)] == [["c1", "c2"], ["c2", "c3"]]
    before = data(api.get("/customers?createdBefore=2026-04-02T00:00:00Z"))["items"]
    assert [item["key"] for item in before] == ["c1", "c2"]


def test_a_page_too_deep_names_the_filters_of_the_list(api):
    [problem] = refused(api.get("/customers?page=1001&pageSize=1000"), 400)["extensions"]["validationErrors"]
    assert problem["message"] == (
        "That ends at row 1,001,000, and a list is read as far as row 1,000,000. Narrow the list by its filters (key, "
        "name, primaryEmail, subject, createdAfter, createdBefore, includeDeleted, planKey), or read it from its "
        "other end (order, orderBy)."
    )


@pytest.mark.parametrize("address", ["nobody", "01G65Z755AFWAKHE12NY0CQ9FH", "x" * 300, "%F0%9F%98%80", "a%00b", "%FF"])
def test_an_address_of_nobody_is_404(api, address):
    refused(api.get(f"/customers/{address}"), 404)


def test_reading_and_writing_need_their_scopes(db):
    refused(Api("customers:read").post("/customers", ACME), 403)
    refused(Api("customers:write").get("/customers"), 403)
    data(Api("customers:write").post("/customers", ACME), 201)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"billingAddress": {"country": "XX"}}, "billingAddress.country"),
        ({"billingAddress": {"country": "EU"}}, "billingAddress.country"),
        ({"taxId": "DE12"}, "taxId"),
        ({"taxId": "ATU13585627", "billingAddress": {"country": "AT"}, "timezone": "localtime"}, "timezone"),
        ({"currency": "XXX"}, "currency"),
    ],
)
def test_a_place_or_tax_id_that_is_none_is_refused(api, fields, where):
    response = api.post("/customers", {"name": "Acme", "key": "acme"} | fields)
    assert response.status_code == 400
    assert [problem["field"] for problem in response.json()["extensions"]["validationErrors"]] == [where]
    assert not Customer.objects.exists()


def test_what_is_replaced_unchanged_is_not_checked_anew(api):
    customer = make_customer(tax_id="DE12", country="XX", currency=None)
    body = {"name": "Acme AG", "key": "acme", "taxId": "DE12", "billingAddress": {"country": "XX"}}
    assert api.put(f"/customers/{to_text(customer.pk)}", body).status_code == 200
    customer.refresh_from_db()
    assert (customer.name, customer.tax_id) == ("Acme AG", "DE12")
    assert api.put(f"/customers/{to_text(customer.pk)}", body | {"taxId": "DE13"}).status_code == 400
