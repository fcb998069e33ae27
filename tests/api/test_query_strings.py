"""A query string is read strictly, everywhere: what the schema names is taken, all else is a 400 that says so."""

import itertools

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_feature, make_meter, make_plan
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

SCHEMA = SchemaGenerator().get_schema(request=None, public=True)
ID = "01G65Z755AFWAKHE12NY0CQ9FH"
OPERATIONS = [
    (method.upper(), path, [said for said in operation.get("parameters", []) if said["in"] == "query"])
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
]
TEXTS = {
    "cursor": "MjAyNi0wMy0xN1QwMDowMDowMCswMDowMCAwMTk3YTJjMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDA=",
    "filter": "{}",
    "groupBy": "model",
    "windowTimeZone": "Europe/Berlin",
}
PATHS = {
    "customerIdOrKey": "acme",
    "meterIdOrSlug": "usage",
    "groupByKey": "model",
    "featureId": "storage",
    "planId": "gold",
    "runningNumber": "1",
}


@pytest.fixture
def api(db):
    """A caller that may do everything, where each list has something to be about."""
    make_default_profile()
    make_feature(meter=make_meter(group_by={"model": "$.model"}))
    make_plan(key="gold")
    make_customer(currency="EUR")
    return Api()


def address(path):
    for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        path = path.replace(f"{{{name}}}", PATHS.get(name, ID))
    return path


def written(said):
    """The parameter with a value that its schema allows, as it stands in a query string."""
    schema = said["schema"]
    if said.get("style") == "deepObject":
        return f"{said['name']}[model]=1"
    item = schema.get("items", schema)
    value = item.get("enum", [None])[0]
    if value is None:
        samples = {"integer": 1, "boolean": "true", "date-time": "2026-03-17T00:00:00Z", "string": "EUR"}
        kind = item.get("format", item["type"])
        value = ID if "pattern" in item else TEXTS.get(said["name"], samples[kind])
    again = f"&{said['name']}={value}" if schema.get("type") == "array" else ""
    return f"{said['name']}={value}{again}"


@pytest.mark.parametrize(("method", "path", "known"), OPERATIONS, ids=lambda value: str(value)[:70])
def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named(api, method, path, known):
    body = {"someField": 1} if method in ("POST", "PUT", "PATCH") else None
    response = api.call(method, f"{address(path)}?nobodyKnows=1", body)
    (problem,) = refused(response, 400)["extensions"]["validationErrors"]
    assert (problem["field"], problem["code"]) == ("nobodyKnows", "unknown_parameter")
    names = sorted(said["name"] + ("[...]" if said.get("style") == "deepObject" else "") for said in known)
    only = f"Known here: {', '.join(names)}." if names else "None is known here."
    assert problem["message"] == f"There is no such query parameter. {only}"


@pytest.mark.parametrize(
    ("method", "path", "known"), [each for each in OPERATIONS if each[2]], ids=lambda value: str(value)[:70]
)
def test_whatever_the_schema_names_is_taken(api, method, path, known):
    for said in known:
        needed = [written(other) for other in known if other.get("required") and other is not said]
        response = api.call(method, f"{address(path)}?{'&'.join([written(said), *needed])}")
        assert response.status_code in (200, 204, 404), (said["name"], response.content)


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("/credit-notes?customerId=acme", "customerId", "unknown_parameter"),
        ("/customers?expand=subscriptions&expand=invoices", "expand", "invalid"),
        ("/customers?includeDeleted=yes", "includeDeleted", "invalid"),
        ("/customers/acme?expand=invoices", "expand", "invalid"),
        ("/plans/gold?includeLatest=1", "includeLatest", "invalid"),
        ("/plans?keyVersion[gold]=one", "keyVersion", "invalid"),
        ("/plans?keyVersion=1", "keyVersion", "invalid"),
        ("/plans?version[gold]=1", "version[gold]", "unknown_parameter"),
        ("/meters/usage/query?filterGroupby[model]=b", "filterGroupby[model]", "unknown_parameter"),
        ("/meters/usage/query?windowSize=DAY&windowSize=HOUR", "windowSize", "repeated"),
        ("/meters/usage/query?from=", "from", "blank"),
        (f"/billing/invoices/{ID}?includeDeletedLines=1", "includeDeletedLines", "invalid"),
        ("/billing/invoices?customers=", "customers", "blank"),
        ("/billing/invoices?customers=acme", "customers", "invalid"),
        ("/billing/invoices?createdAfter=yesterday", "createdAfter", "invalid"),
        ("/billing/invoices?page=1&page=2", "page", "repeated"),
        ("/billing/invoices?page=", "page", "blank"),
        ("/api/schema/?nobodyKnows=1", "nobodyKnows", "unknown_parameter"),
        ("/api/schema/?format=xml", "format", "invalid"),
        ("/api/docs/?nobodyKnows=1", "nobodyKnows", "unknown_parameter"),
    ],
)
def test_what_can_not_be_meant_is_refused(api, query, field, code):
    assert fields_at_fault(api.get(query)) == {field: code}


def test_an_empty_text_narrows_nothing_and_an_empty_key_finds_nothing(api):
    assert data(api.get("/customers?name="))["totalCount"] == 1
    assert data(api.get("/plans?key="))["totalCount"] == 0


def test_a_key_comes_before_what_it_asks(api):
    api.token = "wrong"
    refused(api.get("/customers?nobodyKnows=1"), 401)
    refused(Api("billing:read").get("/customers?nobodyKnows=1"), 403)
    refused(Api().call("PATCH", "/customers/acme?nobodyKnows=1"), 405)


def test_the_schema_is_json_where_it_is_asked_for(api):
    assert data(api.get("/api/schema/?format=json"))["openapi"].startswith("3.")


def test_what_one_request_makes_of_an_empty_query_string_is_not_the_next_ones():
    class Query(WireSerializer):
        size = serializers.CharField(required=False, default="DAY")

    view = WireViewSet(request=Request(APIRequestFactory().get("/")))
    first = view.read_query(Query)
    first["size"] = "HOUR"
    assert view.read_query(Query) == {"size": "DAY"}


def test_an_empty_query_string_is_read_anew_where_a_default_is_worked_out_or_something_lacks():
    counted = itertools.count()

    class Counted(WireSerializer):
        number = serializers.IntegerField(required=False, default=lambda: next(counted))

    class Needed(WireSerializer):
        size = serializers.CharField()

    view = WireViewSet(request=Request(APIRequestFactory().get("/")))
    assert [view.read_query(Counted)["number"] for _ in range(3)] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(serializers.ValidationError):
            view.read_query(Needed)
