"""Usage events at the finance desk: found by what is known of them, whose they are, who counts and bills them,
and those that are nobody's."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.ids import to_text
from customers.services.attribute_usage import attribute_usage
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import UsageEvent
from tests.admin.pages import text_of
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer
from tests.support.desk import list_url, page_url, said
from tests.support.subscriptions import subscribe
from tests.support.usage import metered

pytestmark = pytest.mark.django_db
NOBODYS = "admin:entitlements_usageevent_unattributed"


@pytest.fixture(autouse=True)
def noon():
    with clock.frozen_at(at("2026-04-16T12:00")):
        yield


def send(
    event_id, on="2026-04-10T08:00", subject="acme", *, now="2026-04-16T12:00", source="app", kind="usage", **data
):
    """One event, sent at `now`, as it is stored."""
    event = {"id": event_id, "source": source, "type": kind, "subject": subject, "time": f"{on}:00Z", "data": data}
    with clock.frozen_at(at(now)):
        ingest_events(events=[event])
    return UsageEvent.objects.get(external_id=event_id, source=source)


@pytest.fixture
def stored():
    make_customer(key="acme-1", name="Acme", subjects=("acme",))
    make_customer(key="zen", name="Zenith", subjects=("zenith",))
    return [
        send("e-1", source="edge"),
        send("e-1", source="app", subject="zenith"),
        send("e-2", "2026-04-12T08:00", kind="other"),
        send("e-3", "2026-03-01T08:00", kind="other", subject="nobody"),
    ]


def keys(desk, **query):
    page = desk.read(list_url(UsageEvent) + "?" + "&".join(f"{name}={value}" for name, value in query.items()))
    return sorted(
        f"{event.source} {event.external_id}" for event in UsageEvent.objects.all() if page_url(event) in page
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["app e-1", "app e-2", "app e-3", "edge e-1"]),
        ({"id": "e-1"}, ["app e-1", "edge e-1"]),
        ({"id": "e"}, []),
        ({"subject": "zenith"}, ["app e-1"]),
        ({"customer": "acme-1"}, ["app e-2", "edge e-1"]),
        ({"customer": "ACME"}, ["app e-2", "edge e-1"]),
        ({"customer": "nobody"}, []),
        ({"source": "edge"}, ["edge e-1"]),
        ({"subject": "acme", "type": "usage"}, ["edge e-1"]),
        ({"time_from_0": "2026-04-11", "time_from_1": "00:00:00"}, ["app e-2"]),
        ({"time_to_0": "2026-03-31", "time_to_1": "00:00:00"}, ["app e-3"]),
        ({"q": "e-1"}, ["app e-1", "edge e-1"]),
        ({"q": "zenith"}, ["app e-1"]),
        ({"q": "%00"}, ["app e-1", "app e-2", "app e-3", "edge e-1"]),
        ({"time_from_0": "tomorrow"}, ["app e-1", "app e-2", "app e-3", "edge e-1"]),
        ({"time_from_0": "2026-04-12"}, ["app e-2"]),
        ({"subject": "%00"}, []),
        # Without a time, only the last 31 days of a type or a source are looked through.
        ({"type": "other"}, ["app e-2"]),
        ({"type": "other", "time_from_0": "2026-02-01", "time_from_1": "00:00:00"}, ["app e-2", "app e-3"]),
    ],
)
def test_events_are_found_by_what_is_known_of_them(clerk, stored, query, expected):
    assert keys(clerk, **query) == expected


def test_an_event_is_found_by_its_own_id_and_by_its_customers(clerk, stored):
    assert keys(clerk, q=to_text(stored[2].pk)) == ["app e-2"]
    customer = make_customer(key="b", name="B", subjects=("b",))
    send("e-9", subject="b")
    assert keys(clerk, customer=to_text(customer.pk)) == ["app e-9"]


def test_a_list_that_looks_through_the_latest_only_says_so(clerk, stored):
    assert "Of the last 31 days. For others, give a time to begin at." in clerk.read(
        f"{list_url(UsageEvent)}?type=other"
    )
    assert "Of the last 31 days" not in clerk.read(f"{list_url(UsageEvent)}?type=other&subject=acme")


def test_the_page_tells_whose_an_event_is_and_what_meters_read_of_it(clerk):
    customer = make_customer()
    make_feature(key="calls", name="Calls", meter=make_meter(group_by={"region": "$.region"}))
    make_meter(key="events", name="Events", aggregation="COUNT", value_property=None)
    event = send("e-1", amount=Decimal("2.5"), region="eu")
    page = clerk.read(page_url(event))
    assert f"Customer {customer.name}" in text_of(page)
    assert "Usage Sum of $.amount 2.5 region: eu Calls" in text_of(page)
    assert "Events Count 1 event" in text_of(page)
    assert "&quot;amount&quot;: 2.5," in page
    assert "On no line: no subscription of the customer bills it at that time." in text_of(page)


def test_what_no_meter_can_read_says_why(clerk):
    event = send("e-1", amount="many")
    make_meter()
    page = text_of(clerk.read(page_url(event)))
    assert "Nothing. What stands at $.amount is no number." in page
    assert "Nobody had the subject then." in page
    assert "On no line: it is nobody's." in page


def calls():
    return make_feature(key="calls", name="Calls", meter=make_meter())


def test_open_billed_and_late(clerk):
    subscribe(metered(calls()))
    billed, still_open = send("e-1", amount=5), send("e-2", "2026-05-03T08:00", now="2026-05-03T09:00", amount=1)
    run("2026-05-01")
    run("2026-05-01T00:10")
    with clock.frozen_at(at("2026-05-04")):
        late = send("e-3", now="2026-05-04", amount=7)
        assert "Calls" in text_of(clerk.read(page_url(billed)))
        assert "INV-000001 billed" in text_of(clerk.read(page_url(billed)))
        assert "open: billed with its period" in text_of(clerk.read(page_url(still_open)))
        assert "INV-000001 late: it came after usage was read for this invoice" in text_of(clerk.read(page_url(late)))
        reverse_event(source="app", event_id="e-3", reason="A test")
        reverse_event(source="app", event_id="e-1", reason="A test, too")
        words = "billed, and reversed afterwards: the difference is late usage"
        assert f"INV-000001 {words}" in text_of(clerk.read(page_url(billed)))


def test_an_event_is_reversed_once_with_a_reason_that_its_page_shows(approver, clerk):
    event = send("e-1", amount=5)
    assert said(approver.do(event, "reverse", reason="Sent by a test")) == ["The event e-1 counts no more."]
    page = text_of(clerk.read(page_url(event)))
    assert "Reversed on 16 Apr 2026 12:00 UTC : it counts no more. Sent by a test" in page
    assert said(approver.do(event, "reverse", reason="Again")) == ["The event was reversed before: Sent by a test"]


def test_subjects_that_no_customer_has_are_counted(clerk):
    make_customer()
    send("e-1")
    for number in range(3):
        send(f"n-{number}", f"2026-04-1{number}T08:00", "unknown", kind="a" if number else "b")
    send("o-1", "2026-02-10T08:00", "too-old")
    send("r-1", subject="taken-back")
    reverse_event(source="app", event_id="r-1", reason="A test")
    page = text_of(clerk.read(reverse(NOBODYS)))
    assert "unknown 3 10 Apr 2026 08:00 UTC 12 Apr 2026 08:00 UTC a, b" in page
    for subject in ("acme", "too-old", "taken-back"):
        assert subject not in page.partition("Events of nobody")[2]


def test_a_subject_that_moves_leaves_the_time_between_to_nobody(clerk):
    first, second = make_customer(), make_customer(key="b", name="B", subjects=("b",))
    send("e-1", "2026-04-02T08:00")
    send("e-2", "2026-04-12T08:00")
    with clock.frozen_at(at("2026-04-10")):
        attribute_usage(customer=first, subjects=[])
    assert "acme 1 12 Apr" in text_of(clerk.read(reverse(NOBODYS)))
    with clock.frozen_at(at("2026-04-11")):
        attribute_usage(customer=second, subjects=["b", "acme"])
    assert "Every event of these days is a customer's." in clerk.read(reverse(NOBODYS))


def test_more_subjects_than_fit_are_on_the_next_page(clerk, monkeypatch):
    monkeypatch.setattr("entitlements.admin.metering.event.NOBODYS_AT_ONCE", 2)
    for name in ("a", "b", "c"):
        send(name, subject=name)
    assert "?after=b" in clerk.read(reverse(NOBODYS))
    rest = text_of(clerk.read(f"{reverse(NOBODYS)}?after=b"))
    assert "c 1 10 Apr" in rest
    assert "a 1 10 Apr" not in rest


def test_who_may_not_read_invoices_reads_no_billing(client, django_user_model, stored):
    user = django_user_model.objects.create_user("events", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_usageevent"))
    client.force_login(user)
    assert b"Where it is billed" not in client.get(page_url(stored[0])).content
    assert client.get(reverse(NOBODYS)).status_code == 200


def test_the_pages_ask_the_same_for_many(clerk):
    subscribe(metered(calls()))
    send("e-0", amount=5)
    run("2026-05-01")
    run("2026-05-01T00:10")

    def asked():
        urls = [
            *(f"{list_url(UsageEvent)}?{query}" for query in ("", "id=l-1", "customer=acme", "type=usage", "q=l-1")),
            page_url(UsageEvent.objects.get(external_id="l-1")),
            reverse(NOBODYS),
        ]
        counts = {}
        for url in urls:
            with CaptureQueriesContext(connection) as queries:
                clerk.read(url)
            counts[url] = len(queries)
        return counts

    def grow(first, last):
        for number in range(first, last):
            send(f"l-{number}", now="2026-05-04", amount=number)
            send(f"n-{number}", "2026-05-03T08:00", f"nobody-{number}", now="2026-05-04", amount=1)

    with clock.frozen_at(at("2026-05-04")):
        grow(0, 3)
        few = asked()
        grow(3, 30)
        assert asked() == few
        assert max(few.values()) <= 15
