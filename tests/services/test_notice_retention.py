"""What was told is forgotten once it is old, and what is still to be sent, or would be told again, is not."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.notifications.models import Attempt, Channel, Delivery, Event
from core.notifications.services import forget_events as module
from core.notifications.services.forget_events import forget_events
from core.notifications.services.record_events import Cause, record_events
from core.notifications.services.save_channel import delete_channel
from core.outbox.models import OutboxMessage
from entitlements.models import ThresholdState
from entitlements.notices.forget_states import forget_states
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, make_metered_feature
from tests.support.notices import make_rule, report, told

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def tell(moment, *keys):
    with clock.frozen_at(moment):
        return record_events("invoice.created", [Cause(key=key, data={}, at=moment) for key in keys])


def deliver(*events):
    """As if the endpoint had taken them."""
    for delivery in Delivery.objects.filter(event__in=events):
        Attempt.objects.create(delivery=delivery, at=at("2026-01-01"), succeeded=True, duration_ms=1, url="-")
        OutboxMessage.objects.filter(pk=delivery.message_id).update(delivered_at=at("2026-01-01"), due_at=None)


def forget(moment, forgets=forget_events):
    with clock.frozen_at(moment):
        return forgets()


@pytest.fixture
def rule():
    return make_rule(type="invoice.created")


def test_events_are_kept_for_ninety_days_with_all_that_came_of_them(rule):
    [old], [young] = tell(at("2026-01-01"), "old"), tell(at("2026-01-02"), "young")
    deliver(old, young)
    last = at("2026-01-01") + 90 * DAY
    assert forget(last) == 0
    assert forget(last + timedelta(seconds=1)) == 1
    assert list(Event.objects.all()) == [young]
    assert Delivery.objects.get().event == young
    assert (Attempt.objects.count(), OutboxMessage.objects.count()) == (1, 1)


def test_what_waits_or_was_given_up_is_kept_until_its_channel_is_deleted(rule):
    tell(at("2026-01-01"), "waits", "given up")
    OutboxMessage.objects.filter(pk=OutboxMessage.objects.order_by("id").first().pk).update(due_at=None, attempts=10)
    assert forget(at("2027-01-01")) == 0
    delete_channel(channel=Channel.objects.get())
    assert forget(at("2027-01-01")) == 2
    assert not OutboxMessage.objects.exists()


def test_an_event_that_one_of_two_channels_took_is_kept_for_the_other(rule):
    second = make_rule(type="invoice.updated").channels.get()
    rule.channels.add(second)
    [event] = tell(at("2026-01-01"), "one")
    deliver(event)
    OutboxMessage.objects.filter(lane=second.pk).update(delivered_at=None)
    assert forget(at("2027-01-01")) == 0
    deliver(event)
    assert forget(at("2027-01-01")) == 1


def test_nothing_is_forgotten_where_the_setting_says_so(rule, settings):
    settings.NOTICE_RETENTION_DAYS = 0
    deliver(*tell(at("2020-01-01"), "old"))
    assert forget(at("2027-01-01")) == forget(at("2027-01-01"), forget_states) == 0
    assert Event.objects.count() == 1


def test_many_go_in_batches_past_those_that_stay(rule, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    events = tell(at("2026-01-01"), *(str(number) for number in range(10)))
    deliver(*events[4:])
    with clock.frozen_at(at("2027-01-01")), CaptureQueriesContext(connection) as queries:
        assert forget_events() == 6
    assert Event.objects.count() == 4
    deleted = [query["sql"] for query in queries if query["sql"].startswith('DELETE FROM "notifications_event"')]
    assert len(deleted) == 3  # the first batch of four had none


def test_what_was_seen_of_a_period_is_forgotten_once_it_is_over(db):
    make_metered_feature()
    monthly = entitle(make_customer())
    yearly = entitle(make_customer(key="beta", name="Beta"), usage_period=("P1Y", None), issue=Decimal(100))
    make_rule(("usage_percentage", 80))
    report("2026-04-02", 90, "acme", "beta")
    assert told("2026-04-03") == [("usage_percentage", 80)] * 2
    assert forget(at("2026-06-30"), forget_states) == 0
    assert forget(at("2026-07-01"), forget_states) == 1
    assert ThresholdState.objects.get().customer == yearly.customer != monthly.customer
    report("2026-12-01", 5, "beta")
    assert told("2026-12-02") == []
    assert forget(at("2027-04-02"), forget_states) == 1
