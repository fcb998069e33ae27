"""Those who take events back, delete meters and send usage, all at one moment: each event counts once or not at all."""

import pytest
from django.db import connection

from core import clock
from entitlements.errors import EventReversed
from entitlements.metering.create_meter import create_meter
from entitlements.metering.delete_meter import delete_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.metering.store.build import build_rollups
from entitlements.metering.store.prove import differences
from entitlements.metering.usage_query import UsageQuery, plain_query_usage, query_usage
from entitlements.models import EventReversal, Meter, UsageEvent
from tests.support.clock import at
from tests.support.crowd import at_once

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = "2026-03-02T10"


def event(number, amount=1):
    name = {"id": f"e{number}", "source": "gateway", "type": "usage", "subject": "acme"}
    return name | {"time": f"{HOUR}:{number % 60:02}:00Z", "data": {"amount": amount}}


def make_sum(key="usage"):
    return create_meter(key=key, event_type="usage", aggregation="SUM", value_property="$.amount")


def send(*numbers):
    with clock.frozen_at(at("2026-03-02T12:00")):
        return ingest_events(events=[event(number) for number in numbers])


def take_back(number):
    try:
        return reverse_event(source="gateway", event_id=f"e{number}", reason="twice")
    except EventReversed as error:
        return error


def total(meter):
    """What rollups say, which must be what the events say."""
    rows = query_usage(meter, UsageQuery())
    assert rows == plain_query_usage(meter, UsageQuery())
    assert list(differences(at("2026-03-02"))) == []
    return sum(row.value for row in rows)


def test_an_event_that_many_take_back_at_once_is_taken_back_once():
    meter = make_sum()
    send(*range(10))
    answers = at_once(*[lambda: take_back(3)] * 4)
    assert sorted(type(answer).__name__ for answer in answers) == ["EventReversal"] + ["EventReversed"] * 3
    assert EventReversal.objects.count() == 1
    assert total(meter) == 9


def test_events_of_one_hour_that_are_taken_back_while_others_come_in_leave_the_right_figure():
    meter = make_sum()
    send(*range(10))
    acts = [lambda n=n: take_back(n) for n in range(4)] + [lambda n=n: send(n, n + 1) for n in range(20, 26)]
    at_once(*acts)
    assert UsageEvent.objects.count() == 17
    assert total(meter) == 13


def test_a_meter_that_is_deleted_and_made_anew_while_usage_comes_counts_all_of_it():
    meter = make_sum()
    send(*range(10))

    def make_anew():
        delete_meter(meter=meter)
        return make_sum()

    def come(number):
        return send(number)

    at_once(make_anew, *[lambda n=n: come(n) for n in range(20, 26)])
    build_rollups()
    anew = Meter.objects.get(deleted_at=None)
    assert anew.pk != meter.pk
    assert total(anew) == 16
    # The one that was deleted says what it counted by its events.
    assert sum(row.value for row in query_usage(meter, UsageQuery())) == 16


def test_meters_made_at_once_while_usage_comes_count_all_of_it():
    send(*range(10))
    acts = [lambda n=n: make_sum(f"meter{n}") for n in range(3)]
    at_once(*acts, *[lambda n=n: send(n) for n in range(20, 26)])
    build_rollups()
    assert [total(meter) for meter in Meter.objects.all()] == [16, 16, 16]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM entitlements_meterrollup WHERE whole_at IS NULL")
        assert cursor.fetchone() == (0,)
