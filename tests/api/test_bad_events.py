"""What is no event in good order is refused over HTTP, with all that is wrong by index and field; nothing is stored."""

import json

import pytest
import time_machine

from entitlements.models import UsageEvent, UsageEventKey
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_meter

pytestmark = pytest.mark.django_db

BATCH = "application/cloudevents-batch+json"
NOW = "2026-03-17T10:00:00Z"


def event(number=1, **changes):
    values = {"id": f"e{number}", "source": "gateway", "specversion": "1.0", "type": "usage", "subject": "acme"}
    return values | {"time": "2026-03-17T08:30:00Z", "data": {"amount": 5}} | changes


@pytest.fixture(autouse=True)
def now():
    make_meter()
    with time_machine.travel(NOW, tick=False):
        yield


def nothing_is_stored():
    return not UsageEvent.objects.exists() and not UsageEventKey.objects.exists()


def test_a_batch_with_several_bad_events_says_what_is_wrong_with_each_and_stores_none_of_it(api):
    batch = [
        event(1),
        event(2, subject=None, time="yesterday"),
        event(3),
        event(4, data={"amount": "many"}, id=4),
        "event",
        event(6, time="2026-03-19T00:00:00Z", colour="red"),
    ]
    answer = api.post("/events", batch, content_type=BATCH)
    assert fields_at_fault(answer) == {
        "1.subject": "required",
        "1.time": "invalid",
        "3.id": "invalid",
        "3.data.amount": "invalid",
        "4": "invalid",
        "5.colour": "unknown_field",
        "5.time": "too_far_ahead",
    }
    assert refused(answer, 400)["detail"].startswith("None of the batch was stored. 1.")
    assert nothing_is_stored()
    # Mended and sent again, the batch is taken whole.
    mended = [event(n) for n in range(1, 7)]
    data(api.post("/events", mended, content_type=BATCH), 204)
    data(api.post("/events", mended, content_type=BATCH), 204)
    assert UsageEvent.objects.count() == 6


def test_good_events_that_were_stored_before_stay_when_they_come_in_a_bad_batch(api):
    data(api.post("/events", [event(1)]), 204)
    refused(api.post("/events", [event(1), event(2), event(3, subject="")]), 400)
    assert [stored.external_id for stored in UsageEvent.objects.all()] == ["e1"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[{]",
        b'{"id": "e1"',
        b"\xff\xfe",
        b"null",
        b"5",
        b'"text"',
        b"[[]]",
        json.dumps(event()).encode()[:-1],
        json.dumps(event()).encode().replace(b"5}", b"NaN}"),
        json.dumps(event()).encode().replace(b"5}", b"Infinity}"),
        json.dumps(event()).encode().replace(b"5}", b"-Infinity}"),
        json.dumps(event()).encode().replace(b"5}", b"1e999}"),
        json.dumps(event()).encode().replace(b"5}", b"9" * 65 + b"}"),
        json.dumps(event(subject="a\x00b")).encode(),
        json.dumps(event(data={"amount": 5, "note": "\x00"})).encode(),
        json.dumps(event(data={"amount": 5, "note": "\ud800"})).encode(),
        json.dumps(event()).encode().replace(b"5}", b'5, "amount": 50}'),
        json.dumps(event()).encode().replace(b"5}", b'5, "a": [' + b"1e400," * 300_000 + b"1]}"),
        b'{"data":' * 100 + b"1" + b"}" * 100,
    ],
    ids=lambda body: repr(body[:40]) + repr(body[-12:]),
)
def test_what_is_no_json_that_can_be_kept_is_400(api, body):
    refused(api.post("/events", body), 400)
    assert nothing_is_stored()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": 1}, {"id": "invalid"}),
        ({"id": True}, {"id": "invalid"}),
        ({"source": ["a"]}, {"source": "invalid"}),
        ({"type": {}}, {"type": "invalid"}),
        ({"subject": 5.5}, {"subject": "invalid"}),
        ({"id": "x" * 1_000_000}, {"id": "max_length"}),
        ({"x" * 1_000_000: 1}, {"x" * 256: "unknown_field"}),
        ({"time": ""}, {"time": "invalid"}),
        ({"time": "2026-03-17"}, {"time": "invalid"}),
        ({"time": "2026-03-17T25:00:00Z"}, {"time": "invalid"}),
        ({"time": {"$date": 0}}, {"time": "invalid"}),
        ({"time": "2026-W12-2T08:30:00Z"}, {"time": "invalid"}),
        ({"time": "2026-02-29T08:30:00Z"}, {"time": "invalid"}),
        ({"time": "2026-03-17T08:30:60Z"}, {"time": "invalid"}),
        ({"time": "1970-01-01T00:00:00+23:59"}, {"time": "invalid"}),
        ({"data": "text"}, {"data": "invalid"}),
        ({"data": 5}, {"data": "invalid"}),
        ({"data": None}, {"data.amount": "required"}),
        ({"data": {"Amount": 5}}, {"data.amount": "required"}),
        ({"data": {"amount": None}}, {"data.amount": "required"}),
        ({"data": {"amount": ""}}, {"data.amount": "invalid"}),
        ({"data": {"amount": "NaN"}}, {"data.amount": "invalid"}),
        ({"data": {"amount": "Infinity"}}, {"data.amount": "invalid"}),
        ({"data": {"amount": "1,5"}}, {"data.amount": "invalid"}),
        ({"data": {"amount": "0x10"}}, {"data.amount": "invalid"}),
        ({"data": {"amount": " 5"}}, {"data.amount": "invalid"}),
        ({"data": {"amount": "٥"}}, {"data.amount": "invalid"}),
        ({"data": {"amount": "5" * 1_000_000}}, {"data.amount": "invalid"}),
        ({"data": {"amount": [5]}}, {"data.amount": "invalid"}),
        ({"data": {"amount": False}}, {"data.amount": "invalid"}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_event_is_400_with_its_field(api, change, expected):
    assert fields_at_fault(api.post("/events", event(**change))) == expected
    assert nothing_is_stored()


@pytest.mark.parametrize("time", ["2026-03-18T09:59:59Z", "2026-03-18T10:00:00Z", "1999-12-31T23:59:59Z"])
def test_a_clock_may_be_fast_by_a_day_and_slow_by_any_time(api, time):
    data(api.post("/events", event(time=time)), 204)


def test_a_clock_that_is_faster_is_told_of_it(api):
    assert fields_at_fault(api.post("/events", event(time="2026-03-18T10:00:01Z"))) == {"time": "too_far_ahead"}
    assert nothing_is_stored()


def test_a_body_of_ten_megabytes_is_413(api):
    big = json.dumps([event(n, data={"amount": 5, "note": "x" * 10_000}) for n in range(1000)])
    assert len(big) > 10_000_000
    refused(api.post("/events", big, content_type=BATCH), 413)
    assert nothing_is_stored()


def test_keys_of_a_million_characters_within_data_are_kept_as_they_came(api):
    data(api.post("/events", event(data={"amount": "5e-3", "k" * 1_000_000: 1})), 204)
    assert "k" * 1_000_000 in UsageEvent.objects.get().data
