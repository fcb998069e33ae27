"""A meter's page: its usage by day, who uses most, and what would come of an event that is pasted."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from entitlements.metering.create_meter import create_meter
from entitlements.models import UsageEvent, UsageEventKey
from tests.admin.pages import text_of
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.desk import page_url
from tests.support.usage import use

pytestmark = pytest.mark.django_db
EVENT = {"id": "1", "source": "app", "type": "usage", "subject": "acme", "data": {"amount": 2.5, "region": "eu"}}


@pytest.fixture(autouse=True)
def noon():
    with clock.frozen_at(at("2026-04-16T12:00")):
        yield


def part(meter, name):
    return reverse(f"admin:entitlements_meter_{name}", args=[meter.pk])


def tried(desk, meter, event):
    response = desk.post(part(meter, "try"), {"event": event if isinstance(event, str) else json.dumps(event)})
    assert response.status_code == 200
    return text_of(response.content.decode().partition("<h2>Try an event</h2>")[2])


def test_thirty_days_as_bars_and_who_uses_most(clerk):
    meter = make_meter()
    for on, amount, subject in [
        ("2026-03-17T23:59", 5, "too-early"),
        ("2026-03-18", 10, "acme"),
        ("2026-04-15T08:00", 30, "acme"),
        ("2026-04-16T09:00", 20, "zenith"),
    ]:
        use(on, amount, subject)
    page = clerk.read(part(meter, "usage"))
    assert "3 events" in page
    assert re.findall(r"<title>([^<]+)</title>", page) == [
        "18 Mar 2026: 10, 1 event",
        "15 Apr 2026: 30, 1 event",
        "16 Apr 2026: 20, 1 event",
    ]
    # Of the largest, 40: the one who used 20 has half of the bar.
    assert re.search(r"acme 40 zenith 20", text_of(page))
    assert re.findall(r'style="width:(\d+)%"', page) == ["100", "50"]
    assert "too-early" not in page
    assert "16 Apr 2026 20 1 15 Apr 2026 30 1 14 Apr 2026 0 0" in text_of(page)


def test_a_meter_without_events_says_so(clerk):
    assert "No event counted in these days." in clerk.read(part(make_meter(), "usage"))


def test_an_average_is_shown_to_six_places(clerk):
    meter = make_meter(aggregation="AVG")
    for hour, amount in enumerate((1, 1, 0)):
        use(f"2026-04-11T0{hour}:00", amount)
    assert "11 Apr 2026: 0.666667, 3 events" in clerk.read(part(meter, "usage"))


def test_the_page_says_how_the_meter_counts_and_where_usage_is_read(clerk):
    meter = create_meter(
        key="hours", event_type="job", aggregation="SUM", value_property="$.hours", group_by={"region": "$.region"}
    )
    make_feature(key="compute", name="Compute", meter=meter)
    page = text_of(clerk.read(page_url(meter)))
    assert "Sum of $.hours" in page
    assert "region $.region" in page
    assert "By $.region: whole, usage is read off it." in page
    assert "Compute" in page
    # The example to begin with is one that the meter reads.
    example = re.search(r"<textarea[^>]*>(.*?)</textarea>", clerk.read(page_url(meter)), re.DOTALL)[1]
    assert '"data": {' in example.replace("&quot;", '"')


def test_an_event_is_read_by_every_meter_of_its_type_and_nothing_is_stored(clerk):
    customer = make_customer()
    meter = make_meter(group_by={"region": "$.region"})
    make_feature(key="eu", name="In Europe", meter=meter, meter_filters={"region": ["eu"]})
    make_feature(key="us", name="In America", meter=meter, meter_filters={"region": ["us"]})
    make_meter(key="events", name="Events", aggregation="COUNT", value_property=None)
    said = tried(clerk, meter, EVENT)
    assert "It would be taken" in said
    assert f"Whose {customer.name}" in said
    assert "Usage Sum of $.amount 2.5 region: eu In Europe" in said
    assert "Events Count 1 event" in said
    assert "In America" not in said
    assert not UsageEvent.objects.exists()
    assert not UsageEventKey.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"amount": "many"}}, "data.amount The meter usage reads a number here, and this is none."),
        ({"data": {}}, "data.amount The meter usage reads $.amount, and there is nothing."),
        ({"subject": ""}, "subject Every event needs its subject."),
        ({"time": "yesterday"}, "time Not an RFC 3339 time"),
        ({"kind": "x"}, "kind There is no such field."),
        ({"time": "2030-01-01T00:00:00Z"}, "Is the clock right?"),
    ],
)
def test_what_is_wrong_with_an_event_is_said_at_its_field(clerk, change, words):
    said = tried(clerk, make_meter(), EVENT | change)
    assert "It would be refused" in said
    assert words in said


def test_what_is_no_json_is_refused_in_words(clerk):
    meter = make_meter()
    assert "The body is not JSON" in tried(clerk, meter, "{")
    assert "An event must be an object." in tried(clerk, meter, "[1]")
    assert "This field is required." in tried(clerk, meter, "")


def test_whose_nobodys_and_stored_before(clerk):
    meter = make_meter()
    UsageEventKey.objects.create(source="app", event_id="1", stored_as=meter.pk, time=at("2026-04-01"))
    said = tried(clerk, meter, EVENT)
    assert "an event of this source with this id is stored already" in said
    assert "Nobody's: no customer has the subject acme at that time." in said


def test_an_event_of_another_type_is_kept_though_no_meter_counts_it(clerk):
    assert "No meter counts events of the type other." in tried(clerk, make_meter(), EVENT | {"type": "other"})


def test_an_auditor_may_try_and_who_may_not_read_may_not(auditor, client, django_user_model):
    meter = make_meter()
    assert "It would be taken" in tried(auditor, meter, EVENT)
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))
    assert client.post(part(meter, "try"), {"event": "{}"}).status_code == 403
    assert client.get(part(meter, "usage")).status_code == 403


def test_the_pages_ask_the_same_for_many_events_subjects_meters_and_features(clerk):
    meter = make_meter()
    make_customer()

    def asked():
        counts = []
        for ask in (
            lambda: clerk.read(page_url(meter)),
            lambda: clerk.read(part(meter, "usage")),
            lambda: tried(clerk, meter, EVENT),
        ):
            with CaptureQueriesContext(connection) as queries:
                ask()
            counts.append(len(queries))
        return counts

    def grow(first, last):
        for number in range(first, last):
            use("2026-04-10", number, f"subject-{number}")
            other = make_meter(key=f"other-{number}")
            make_feature(key=f"feature_{number}", meter=meter)
            make_feature(key=f"other_{number}", meter=other)

    grow(0, 3)
    few = asked()
    grow(3, 30)
    assert asked() == few
    assert max(few) <= 12
