"""The few deliveries that were given up, and the events of one feature, are found among a great many."""

import pytest
from django.db import connection, transaction

from core import clock
from core.notifications.models import Channel, Delivery, Event, Rule
from core.outbox.models import OutboxMessage
from entitlements.models import Feature
from tests.support.api import Api, data
from tests.support.clock import at
from tests.support.desk import Desk, list_url
from tests.support.house_at_size import id_of, multiply, without_triggers
from tests.support.plans import recorded_plans

ROWS = 200_000
NOW = at("2026-04-01")
EVERYDAY, RARE = 1, 2  # of three, the features by number: of nine tenths of the events, and of one in ten thousand


@pytest.fixture(scope="module")
def notices(django_db_setup, django_db_blocker):
    """An event, with its delivery, of each number; every ten thousandth was given up. Nothing of them stays."""
    with django_db_blocker.unblock(), transaction.atomic():
        feature = Feature.objects.create(key="calls", name="Calls")
        channel = Channel.objects.create(name="Hooks", url="https://hooks.example", secret="unread")
        rule = Rule.objects.create(type="entitlements.reset", name="Resets")
        rule.channels.add(channel)
        of_feature = (
            f"CASE WHEN n % 10000 = 7 THEN {id_of(Feature, str(RARE))} WHEN n % 10 > 0 THEN "
            f"{id_of(Feature, str(EVERYDAY))} END"
        )
        with without_triggers():
            multiply(feature, 3, key="'feature-' || n", name="'Feature ' || n")
            event = Event.objects.create(type=rule.type, rule=rule, dedupe_key="0", body="{}")
            message = OutboxMessage.objects.create(topic="webhook", payload={}, due_at=None, delivered_at=NOW)
            delivery = Delivery.objects.create(event=event, channel=channel, message=message, give_up_at=NOW)
            told_at = f"timestamptz '{NOW.isoformat()}' - n * interval '10 seconds'"
            multiply(event, ROWS, dedupe_key="n", subject="'c' || n", created_at=told_at, feature_id=of_feature)
            delivered = f"CASE WHEN n % 10000 > 0 THEN {told_at} END"
            multiply(message, ROWS, id=id_of(Delivery, "n"), created_at=told_at, delivered_at=delivered)
            multiply(delivery, ROWS, event_id=id_of(Event), message_id=id_of(Delivery, "n"), succeeded_at=delivered)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("asked", "found", "at_most"),
    [
        ("feature=feature-2", ROWS // 10_000, 500),
        ("feature=feature-2&orderBy=id&order=ASC", ROWS // 10_000, 500),
        ("feature=feature-2&subject=c10007", 1, 500),
        ("feature=feature-3", 0, 500),
        # A count stops at 10,000, and a tenth is looked at and left out.
        ("feature=feature-1", 10_001, 25_000),
        ("feature=feature-1&feature=feature-2", 10_001, 25_000),
    ],
)
def test_the_events_of_a_feature_are_found_among_many(notices, db, asked, found, at_most):
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        page = data(Api().get(f"/api/v1/notification/events?{asked}"))
    assert page["totalCount"] == found
    assert recorder.rows_read < at_most, recorder.seen


@pytest.mark.parametrize("model", [Delivery, OutboxMessage])
def test_what_was_given_up_is_found_among_what_was_delivered(notices, db, model):
    desk = Desk("Billing admin")
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        page = desk.get(f"{list_url(model)}?state={'FAILED' if model is Delivery else 'failed'}")
    assert page.context["cl"].result_count == ROWS // 10_000
    assert recorder.rows_read < 1_000, recorder.seen
