"""An event that is taken back counts nowhere that isn't billed yet, and stays to be seen with the reason."""

from decimal import Decimal

import pytest

from core.audit.models import AuditEntry
from customers.attribution import Attribution
from entitlements.metering.create_meter import create_meter
from entitlements.metering.touched import Reader, Touched, claim_touched
from entitlements.metering.usage import Usage, UsageRequest, reading_of, usage_of
from entitlements.models import UsageEvent
from tests.support.api import Api, data, refused
from tests.support.catalog import make_feature
from tests.support.clock import at

pytestmark = pytest.mark.django_db

REVERSE = {"source": "gateway", "id": "e2", "reason": "Sent by a test machine"}


def event(number, amount):
    return {
        "id": f"e{number}",
        "source": "gateway",
        "type": "usage",
        "subject": "acme",
        "time": f"2026-03-17T08:3{number}:00Z",
        "data": {"amount": amount},
    }


@pytest.fixture
def meters():
    return {
        kind: create_meter(key=kind.lower(), event_type="usage", aggregation=kind, value_property="$.amount")
        for kind in ("SUM", "MAX", "LATEST", "UNIQUE_COUNT")
    }


def usage(meter):
    request = UsageRequest(
        1,
        reading_of(make_feature(key=meter.key, meter=meter)),
        [Attribution("acme")],
        [(at("2026-03-01"), at("2026-04-01"))],
    )
    return usage_of([request])[1]


def test_every_figure_is_that_of_the_other_events(api, meters):
    data(api.post("/events", [event(1, 5), event(2, 40), event(3, 7)]), 204)
    shown = data(api.post("/events/reverse", REVERSE), 201)
    assert shown.pop("createdAt")
    assert shown == {
        "id": "e2",
        "source": "gateway",
        "type": "usage",
        "subject": "acme",
        "time": "2026-03-17T08:32:00Z",
        "reason": "Sent by a test machine",
    }
    assert {kind: usage(meter) for kind, meter in meters.items()} == {
        "SUM": Usage(Decimal(12), 2, 0),
        "MAX": Usage(Decimal(7), 2, 0),
        "LATEST": Usage(Decimal(7), 2, 0),
        "UNIQUE_COUNT": Usage(Decimal(2), 2, 0),
    }
    assert data(api.get("/meters/sum/query"))["data"][0]["value"] == 12
    assert UsageEvent.objects.get(external_id="e2").data == {"amount": 40}
    entry = AuditEntry.objects.get(verb="usage_event.reversed")
    assert entry.reason == "Sent by a test machine"
    assert "reversed the usage event e2 of acme" in entry.sentence
    # The same event again is no new one.
    data(api.post("/events", event(2, 40)), 204)
    assert UsageEvent.objects.count() == 3


def test_it_is_taken_back_once_and_only_where_it_is_stored(api, meters):
    data(api.post("/events", event(2, 40)), 204)
    refused(api.post("/events/reverse", REVERSE | {"id": "e9"}), 404)
    refused(api.post("/events/reverse", REVERSE | {"reason": " "}), 400)
    data(api.post("/events/reverse", REVERSE), 201)
    refused(api.post("/events/reverse", REVERSE), 409)
    refused(Api("usage:read").post("/events/reverse", REVERSE), 403)


def test_an_hour_that_has_changed_is_claimed_once_by_each_reader(api, meters):
    data(api.post("/events", [event(1, 5), event(2, 40)]), 204)
    hour = at("2026-03-17T08:00")
    expected = {Touched(meter.id, "acme", hour) for meter in meters.values()}
    for reader in Reader:
        assert set(claim_touched(reader)) == expected
        assert claim_touched(reader) == []
    # Again with each event that comes into it, for both.
    data(api.post("/events", event(3, 0)), 204)
    for reader in Reader:
        assert set(claim_touched(reader)) == expected
    data(api.post("/events/reverse", REVERSE | {"id": "e3"}), 201)
    for reader in Reader:
        assert set(claim_touched(reader)) == expected
    # Also where no event is left that counts.
    data(api.post("/events/reverse", REVERSE), 201)
    data(api.post("/events/reverse", REVERSE | {"id": "e1"}), 201)
    assert set(claim_touched(Reader.LATE_USAGE)) == expected
    assert set(claim_touched(Reader.THRESHOLDS, limit=2)) < expected
