"""`GET /api/v2/events`: pages that go on at a cursor, and filters in JSON."""

import json
from itertools import chain
from urllib.parse import urlencode

import pytest
import time_machine

from entitlements.metering import list_events
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db


def event(number, **changes):
    values = {"id": f"e{number}", "source": "gateway", "specversion": "1.0", "type": "usage", "subject": "acme"}
    return values | {"time": f"2026-03-{10 + number}T08:30:00Z"} | changes


@pytest.fixture(autouse=True)
def events(api):
    with time_machine.travel("2026-03-20T00:00:00Z", tick=False):
        data(api.post("/events", [event(1, data={"amount": 0.1}), event(2, subject="acme-eu"), event(3)]), 204)
    with time_machine.travel("2026-03-21T00:00:00Z", tick=False):
        more = [event(4, subject="Bolt", type="api call"), event(4, source="100%", subject="bolt", id="E4")]
        data(api.post("/events", more), 204)


def ask(api, asked=None, **parameters):
    if asked is not None:
        parameters["filter"] = asked if isinstance(asked, str) else json.dumps(asked)
    return api.get(f"/api/v2/events?{urlencode(parameters)}")


def ids(api, asked=None, **parameters):
    return [item["event"]["id"] for item in data(ask(api, asked, **parameters))["items"]]


def all_pages(api, asked=None, **parameters):
    """The ids on each page, up to the one that says no cursor."""
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = data(ask(api, asked, **parameters, **cursor))
        pages.append([item["event"]["id"] for item in page["items"]])
        if "nextCursor" not in page:
            return pages
        cursor = {"cursor": page["nextCursor"]}


def test_the_latest_comes_first_whenever_it_was_with_its_customer_and_times(api):
    customer = make_customer(subjects=("acme",))
    page = data(ask(api))
    assert page["items"][4] == {
        "event": event(1, data={"amount": page["items"][4]["event"]["data"]["amount"]}),
        "customerId": page["items"][4]["customerId"],
        "ingestedAt": "2026-03-20T00:00:00Z",
        "storedAt": "2026-03-20T00:00:00Z",
    }
    assert str(page["items"][4]["event"]["data"]["amount"]) == "0.1"
    assert "nextCursor" not in page
    assert ids(api, {"customerId": {"$in": [page["items"][4]["customerId"]]}}) == ["e3", "e1"]
    assert customer.usage_subjects.count() == 1


def test_pages_hold_each_event_once_also_at_one_time(api):
    assert sorted(chain.from_iterable(all_pages(api, limit=1))) == ["E4", "e1", "e2", "e3", "e4"]
    assert [len(page) for page in all_pages(api, limit=2)] == [2, 2, 1]
    assert all_pages(api, {"subject": {"$eq": "acme"}}, limit=1) == [["e3"], ["e1"]]


def test_an_event_that_comes_in_between_moves_no_page(api):
    first = data(ask(api, limit=3))
    data(api.post("/events", event(6)), 204)
    assert ids(api, cursor=first["nextCursor"]) == ["e2", "e1"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"id": {"$eq": "e2"}}, ["e2"]),
        ({"id": {"$in": ["e1", "E4", "none"]}}, ["E4", "e1"]),
        ({"id": {"$eq": "e4"}, "source": {"$eq": "100%"}}, []),
        ({"id": {"$eq": "E4"}, "source": {"$eq": "100%"}}, ["E4"]),
        ({"id": {"$in": []}}, []),
        ({"id": {"$ne": "e4"}, "type": {"$ne": "usage"}}, []),
        ({"id": {"$nin": ["e1", "e2", "E4", "e4"]}}, ["e3"]),
        ({"subject": {"$like": "acme%"}}, ["e3", "e2", "e1"]),
        ({"subject": {"$like": "acme"}}, ["e3", "e1"]),
        ({"subject": {"$like": "acm_"}}, ["e3", "e1"]),
        ({"subject": {"$nlike": "acme%"}, "id": {"$like": "e%"}}, ["e4"]),
        ({"subject": {"$ilike": "bOLT"}, "id": {"$eq": "e4"}}, ["e4"]),
        ({"subject": {"$nilike": "b%"}}, ["e3", "e2", "e1"]),
        ({"source": {"$like": "%\\%"}}, ["E4"]),
        ({"id": {"$gt": "e1", "$lt": "e3"}}, ["e2"]),
        ({"id": {"$gte": "e1", "$lte": "e2"}}, ["e2", "e1"]),
        ({"id": {"$or": [{"$eq": "e1"}, {"$gte": "e3", "$like": "%3"}]}}, ["e3", "e1"]),
        ({"id": {"$and": [{"$ne": "e1"}, {"$ne": "e2"}], "$like": "e%"}}, ["e4", "e3"]),
        ({"id": {"$or": [{"$eq": "e1"}, {}]}, "subject": {"$eq": "acme-eu"}}, ["e2"]),
        ({"time": {"$gte": "2026-03-12T08:30:00Z", "$lt": "2026-03-13T10:30:00+02:00"}}, ["e2"]),
        ({"time": {"$gt": "2026-03-12T08:30:00Z", "$lte": "2026-03-13T08:30:00Z"}}, ["e3"]),
        ({"time": {"$or": [{"$lt": "2026-03-12T00:00:00Z"}, {"$gt": "2026-03-13T09:00:00Z"}]}}, ["e4", "E4", "e1"]),
        ({"ingestedAt": {"$lt": "2026-03-21T00:00:00Z"}, "subject": {"$eq": "acme"}}, ["e3", "e1"]),
        ({"customerId": {"$in": ["01G65Z755AFWAKHE12NY0CQ9FH"]}}, []),
        ({"customerId": {"$in": None}, "id": None, "subject": {"$eq": "acme-eu", "$ne": None}}, ["e2"]),
        ({}, ["e4", "E4", "e3", "e2", "e1"]),
    ],
)
def test_filters(api, asked, expected):
    # At one time, the order is that of storing.
    assert sorted(ids(api, asked)) == sorted(expected)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("{", "filter"),
        ("[]", "filter"),
        ('"acme"', "filter"),
        ('{"time": NaN}', "filter"),
        ({"name": {"$eq": "acme"}}, "filter.name"),
        ({"subject": "acme"}, "filter.subject"),
        ({"subject": {"eq": "acme"}}, "filter.subject.eq"),
        ({"subject": {"$eq": 5}}, "filter.subject.$eq"),
        ({"subject": {"$eq": "x" * 1025}}, "filter.subject.$eq"),
        ({"subject": {"$in": "acme"}}, "filter.subject.$in"),
        ({"subject": {"$in": ["x"] * 101}}, "filter.subject.$in"),
        ({"subject": {"$or": []}}, "filter.subject.$or"),
        ({"subject": {"$or": [{"$eq": "a"}, {"$is": "b"}]}}, "filter.subject.$or.1.$is"),
        ({"subject": {"$like": "acme\\"}}, "filter.subject.$like"),
        ({"time": {"$eq": "2026-03-12T08:30:00Z"}}, "filter.time.$eq"),
        ({"time": {"$gt": "yesterday"}}, "filter.time.$gt"),
        ({"time": {"$and": [{"$gt": 5}]}}, "filter.time.$and.0.$gt"),
        ({"customerId": {"$eq": "acme"}}, "filter.customerId.$eq"),
        ({"customerId": {"$in": ["acme"]}}, "filter.customerId.$in"),
        ({"subject": {"$and": [{"$ne": "a"}] * 100}}, "filter.subject.$and.99.$ne"),
        ('{"id": ' + '{"$and": [' * 6 + "{}" + "]}" * 6 + "}", "filter.id" + ".$and.0" * 4 + ".$and"),
    ],
)
def test_a_filter_that_cant_be_read_is_400_that_says_where(api, asked, field):
    assert list(fields_at_fault(ask(api, asked))) == [field]


def test_a_member_that_is_not_known_is_answered_with_those_that_are(api):
    detail = json.dumps(refused(ask(api, {"subject": {"eq": "acme"}}), 400))
    assert "Known here: $eq, $ne, $in, $nin, $like, $nlike, $ilike, $nilike, $gt, $gte, $lt, $lte, $and, $or." in detail
    detail = json.dumps(refused(ask(api, {"subjects": {}}), 400))
    assert "Known here: id, source, subject, customerId, type, time, ingestedAt." in detail


@pytest.mark.parametrize(
    "parameters",
    [{"cursor": "none"}, {"cursor": "MjAyNg=="}, {"cursor": "é"}, {"limit": 0}, {"limit": 101}, {"page": 1}],
)
def test_a_cursor_or_number_that_cant_be_read_is_400(api, parameters):
    assert len(fields_at_fault(ask(api, **parameters))) == 1


def test_where_no_index_leads_a_page_looks_so_far_and_the_list_goes_on(api, monkeypatch):
    monkeypatch.setattr(list_events, "LOOKED_THROUGH", 2)
    assert all_pages(api, {"subject": {"$like": "acme"}}) == [[], ["e3"], ["e1"]]
    assert all_pages(api, {"subject": {"$like": "acme%"}}, limit=1) == [[], ["e3"], ["e2"], ["e1"]]


@pytest.mark.parametrize(
    "asked", [None, {"type": {"$like": "u%"}}, {"id": {"$eq": "e1"}}, {"subject": {"$eq": "acme"}}]
)
def test_a_hundred_events_take_as_many_queries_as_one(api, django_assert_max_num_queries, asked):
    data(api.post("/events", [event(5, id=f"x{n}") for n in range(100)]), 204)
    with django_assert_max_num_queries(5):  # the key, and a savepoint's two, are among them
        data(ask(api, asked))


def test_it_needs_the_right_to_read_usage(api):
    refused(Api("usage:write").get("/api/v2/events"), 403)
