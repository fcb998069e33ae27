"""Rules about entitlements in tests, and what is told by them."""

import json
from decimal import Decimal

from core import clock
from core.notifications.models import Event
from core.notifications.services.save_channel import create_channel
from core.notifications.services.save_rule import create_rule
from entitlements.metering.ingest_events import ingest_events
from entitlements.notices.tell_due import tell_due
from tests.support.clock import at


def make_rule(*thresholds, type="entitlements.balance.threshold", features=()):
    """With a channel of its own."""
    channel, _ = create_channel(name="Usage", url="https://hooks.example.com/")
    said = [(kind, Decimal(value)) for kind, value in thresholds]
    ids = [feature.pk for feature in features]
    return create_rule(type=type, name="Usage", channel_ids=[channel.pk], thresholds=said, feature_ids=ids)


def payloads(moment):
    """What is told when one looks in that moment, in order."""
    seen = set(Event.objects.values_list("pk", flat=True))
    with clock.frozen_at(at(moment)):
        tell_due()
    return [json.loads(event.body) for event in Event.objects.exclude(pk__in=seen).order_by("id")]


def told(moment):
    """The thresholds that are told of when one looks in that moment: type and value."""
    found = [payload["data"]["threshold"] for payload in payloads(moment)]
    return [(each["type"], each["value"]) for each in found]


def report(moment, amount, *subjects):
    """So much by each subject, reported in that moment."""
    with clock.frozen_at(at(moment)):
        ingest_events(
            events=[
                {
                    "id": f"{subject}-{moment}",
                    "source": "test",
                    "type": "usage",
                    "subject": subject,
                    "time": at(moment).isoformat(),
                    "data": {"amount": str(amount)},
                }
                for subject in subjects or ("acme",)
            ]
        )
