import json
from decimal import Decimal

import pytest
import time_machine

from entitlements.metering.ingest_events import ingest_events
from entitlements.models import UsageEvent
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import make_meter
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db

SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


def event(number=1, **changes):
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "gateway",
        "type": "usage",
        "subject": "acme",
        "time": "2026-03-17T08:30:00Z",
        "data": {"amount": 5},
    } | changes


class TestIngest:
    def test_one_event_as_one_object(self, api):
        response = api.post("/events", event(), content_type=SINGLE)
        assert (response.status_code, response.content) == (204, b"")
        stored = UsageEvent.objects.get()
        assert (stored.external_id, stored.source, stored.type, stored.subject) == ("e1", "gateway", "usage", "acme")
        assert (stored.time, stored.data) == (at("2026-03-17T08:30"), {"amount": 5})

    @pytest.mark.parametrize("content_type", [BATCH, "application/json", "application/json; charset=utf-8"])
    def test_many_events_as_an_array(self, api, content_type):
        data(api.post("/events", [event(1), event(2)], content_type=content_type), 204)
        assert UsageEvent.objects.count() == 2

    def test_one_event_as_plain_json_and_an_empty_batch(self, api):
        data(api.post("/events", event()), 204)
        data(api.post("/events", []), 204)
        assert UsageEvent.objects.count() == 1

    def test_an_event_counts_once_by_source_and_id(self, api):
        data(api.post("/events", [event(1), event(1), event(2)]), 204)
        data(api.post("/events", [event(2, data={"amount": 99}), event(3), event(1, source="other")]), 204)
        assert sorted(UsageEvent.objects.values_list("source", "external_id", "data__amount")) == [
            ("gateway", "e1", 5),
            ("gateway", "e2", 5),
            ("gateway", "e3", 5),
            ("other", "e1", 5),
        ]

    def test_an_event_without_time_gets_the_current_one(self, api):
        with time_machine.travel("2026-03-17T10:00:00Z", tick=False):
            data(api.post("/events", [event(time=None)]), 204)
        assert UsageEvent.objects.get().time == at("2026-03-17T10:00")

    def test_an_event_that_no_meter_reads_is_kept(self, api):
        data(api.post("/events", event(type="unheard-of", data=None, subject="nobody")), 204)
        assert UsageEvent.objects.get().data is None

    def test_numbers_are_stored_exactly(self, api):
        make_meter()
        body = b'{"id":"e1","source":"s","type":"usage","subject":"a","data":{"amount":0.1234567890123456789012345}}'
        data(api.post("/events", body), 204)
        shown = data(api.get("/events"))[0]["event"]["data"]["amount"]
        assert shown == Decimal("0.1234567890123456789012345")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"id": None}, "id"),
            ({"id": ""}, "id"),
            ({"id": 7}, "id"),
            ({"id": "x" * 257}, "id"),
            ({"source": None}, "source"),
            ({"type": None}, "type"),
            ({"type": {"name": "usage"}}, "type"),
            ({"subject": None}, "subject"),
            ({"subject": ["acme"]}, "subject"),
            ({"time": "yesterday"}, "time"),
            ({"time": "2026-02-30T00:00:00Z"}, "time"),
            ({"time": "2026-03-17T00:00:00"}, "time"),
            ({"time": 1773705600}, "time"),
            ({"specversion": "0.3"}, "specversion"),
            ({"datacontenttype": "text/xml"}, "datacontenttype"),
            ({"data": "5"}, "data"),
            ({"data": [5]}, "data"),
            ({"data": None}, "data.amount"),
            ({"data": {}}, "data.amount"),
            ({"data": {"amount": "five"}}, "data.amount"),
            ({"data": {"amount": True}}, "data.amount"),
            ({"data": {"amount": {"value": 5}}}, "data.amount"),
            ({"data": {"amount": "NaN"}}, "data.amount"),
        ],
    )
    def test_a_bad_event_is_400_with_its_index_and_field_and_nothing_of_the_batch_is_stored(self, api, change, field):
        make_meter()
        response = api.post("/events", [event(1), event(2, **change), event(3)], content_type=BATCH)
        assert list(fields_at_fault(response)) == [f"1.{field}"]
        assert refused(response, 400)["detail"].startswith(f"None of the batch was stored. 1.{field}: ")
        assert not UsageEvent.objects.exists()

    def test_a_bad_single_event_is_named_by_its_field_alone(self, api):
        response = api.post("/events", event(subject=None), content_type=SINGLE)
        assert fields_at_fault(response) == {"subject": "required"}

    @pytest.mark.parametrize("body", [5, "event", None, [5], [[]], [None]])
    def test_what_is_no_event_is_400(self, api, body):
        refused(api.post("/events", json.dumps(body)), 400)

    @pytest.mark.parametrize("amount", [5, "5", "-0.25", "1e3", "1E-3"])
    def test_a_number_may_be_written_as_text(self, api, amount):
        make_meter()
        data(api.post("/events", event(data={"amount": amount})), 204)

    @pytest.mark.parametrize("amount", ["1\n", "1 ", "1.", "NaN", "1e999", "1" * 61, "-"])
    def test_a_text_that_only_resembles_a_number_is_refused(self, api, amount):
        make_meter()
        refused(api.post("/events", event(data={"amount": amount})), 400)

    def test_before_the_meters_start_the_value_does_not_matter(self, api):
        make_meter(event_from=at("2026-03-17T09:00"))
        data(api.post("/events", event(data={})), 204)
        refused(api.post("/events", event(2, data={}, time="2026-03-17T09:00:00Z")), 400)

    def test_a_unique_count_reads_texts(self, api):
        make_meter(aggregation="UNIQUE_COUNT", value_property="$.user")
        data(api.post("/events", event(data={"user": "ada"})), 204)
        refused(api.post("/events", event(2, data={"user": ["ada"]})), 400)

    def test_a_batch_above_the_limit_is_refused(self, api):
        refused(api.post("/events", [event(n) for n in range(10_001)]), 400)
        assert not UsageEvent.objects.exists()

    def test_a_thousand_events_take_as_many_queries_as_one(self, django_assert_num_queries):
        make_meter()
        # The savepoint, which is the transaction here, and three in it.
        with django_assert_num_queries(5):
            assert ingest_events(events=[event(1)]) == 1
        with django_assert_num_queries(5):
            assert ingest_events(events=[event(n) for n in range(1, 1001)]) == 999

    def test_reporting_usage_needs_its_own_scope(self, db):
        refused(Api("usage:read").post("/events", event()), 403)
        data(Api("usage:write").post("/events", event()), 204)


class TestList:
    @pytest.fixture(autouse=True)
    def events(self, api):
        self.customer = make_customer(subjects=("acme", "acme-eu"))
        with time_machine.travel("2026-03-20T00:00:00Z", tick=False):
            data(api.post("/events", [event(1), event(2, subject="acme-eu", time="2026-03-18T00:00:00Z")]), 204)
        with time_machine.travel("2026-03-21T00:00:00Z", tick=False):
            data(api.post("/events", [event(3, subject="bolt", time="2026-03-19T00:00:00Z")]), 204)

    @pytest.fixture(autouse=True)
    def now(self, events):
        with time_machine.travel("2026-03-20T00:00:00Z", tick=False):
            yield

    def ids(self, api, query=""):
        return [item["event"]["id"] for item in data(api.get(f"/events{query}"))]

    def test_the_latest_comes_first_with_its_customer_and_times(self, api):
        shown = data(api.get("/events"))
        assert shown[2] == {
            "event": event(1),
            "customerId": shown[1]["customerId"],
            "ingestedAt": "2026-03-20T00:00:00Z",
            "storedAt": "2026-03-20T00:00:00Z",
        }
        assert "customerId" not in shown[0]
        assert [item["event"]["id"] for item in shown] == ["e3", "e2", "e1"]

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ("?limit=1", ["e3"]),
            ("?subject=ACM", ["e2", "e1"]),
            ("?id=2", ["e2"]),
            ("?from=2026-03-18T00:00:00Z", ["e3", "e2"]),
            ("?to=2026-03-18T00:00:00%2B00:00", ["e2", "e1"]),
            ("?ingestedAtFrom=2026-03-21T00:00:00Z", ["e3"]),
            ("?ingestedAtTo=2026-03-20T23:00:00Z", ["e2", "e1"]),
        ],
    )
    def test_filters(self, api, query, ids):
        assert self.ids(api, query) == ids

    def test_without_a_start_it_is_the_last_72_hours_or_those_before_the_end(self, api):
        with time_machine.travel("2026-03-20T08:30:01Z", tick=False):
            assert self.ids(api) == ["e3", "e2"]
            assert self.ids(api, "?to=2026-03-20T08:30:00Z") == ["e3", "e2", "e1"]
            assert self.ids(api, "?from=2026-01-01T00:00:00Z") == ["e3", "e2", "e1"]

    def test_by_customer(self, api):
        shown = data(api.get("/events?subject=acme-eu"))[0]["customerId"]
        assert self.ids(api, f"?customerId={shown}") == ["e2", "e1"]
        assert self.ids(api, "?customerId=01G65Z755AFWAKHE12NY0CQ9FH") == []

    @pytest.mark.parametrize(
        "query", ["?from=yesterday", "?limit=101", "?limit=0", "?customerId=acme", "?to=2026-03-18"]
    )
    def test_a_filter_that_cant_be_read_is_400(self, api, query):
        assert len(fields_at_fault(api.get(f"/events{query}"))) == 1
