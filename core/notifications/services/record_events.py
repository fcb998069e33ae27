"""Stores what is to be told, with whatever causes it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from core import clock
from core.ids import new_id, to_text
from core.notifications.models import Channel, Delivery, Event, Rule
from core.notifications.retries import GIVE_UP_AFTER
from core.notifications.selectors import rules_in_force
from core.outbox.models import OutboxMessage
from core.rest.wire_json import dumps

TOPIC = "webhook"


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that happened `at` a time, before it is told. `data` is the payload's, in JSON values; `key` names the
    cause: by one rule it is told once. `rule_id`: by this rule only."""

    key: str
    data: Mapping[str, Any]
    at: datetime
    customer_id: uuid.UUID | None = None
    feature_id: uuid.UUID | None = None
    subject: str | None = None
    rule_id: uuid.UUID | None = None


@transaction.atomic
def record_events(type: str, causes: Sequence[Cause]) -> list[Event]:
    """Store an event for each of these causes and each rule that is about it, and have them sent: call it in the
    transaction that causes them. Returns those that were not told before.

    Six queries at most, whatever their number; one where no rule is in force.
    """
    rules = list(rules_in_force(type)) if causes else []
    told = [(rule, cause) for cause in causes for rule in rules if _is_about(rule, cause)]
    return send(type, told) if told else []


def send(type: str, told: Sequence[tuple[Rule, Cause]]) -> list[Event]:
    """Store these events, those that their rules have not told before, and have them sent to the `sendable` channels
    of each rule. Returns the new ones. Four queries."""
    made = [_event(type, rule, cause) for rule, cause in told]
    Event.objects.bulk_create(made, ignore_conflicts=True)
    new = set(Event.objects.filter(pk__in=[event.pk for event in made]).values_list("pk", flat=True))
    events = [event for event in made if event.pk in new]
    deliver([(event, channel) for event in events for channel in event.rule.sendable])  # type: ignore[attr-defined]
    return events


def deliver(pairs: Sequence[tuple[Event, Channel]]) -> None:
    """Have events sent to channels that they are not yet on their way to. Two queries."""
    now = clock.now()
    messages, deliveries = [], []
    for event, channel in pairs:
        delivery = Delivery(event=event, channel=channel, created_at=now, give_up_at=now + GIVE_UP_AFTER)
        message = OutboxMessage(
            topic=TOPIC,
            lane=channel.pk,
            customer_id=event.customer_id,
            payload={"to": channel.url, "type": event.type, "delivery": to_text(delivery.pk)},
            created_at=now,
            due_at=now,
        )
        delivery.message, delivery.updated_at = message, now
        messages.append(message)
        deliveries.append(delivery)
    OutboxMessage.objects.bulk_create(messages)
    Delivery.objects.bulk_create(deliveries)


def _is_about(rule: Rule, cause: Cause) -> bool:
    if cause.rule_id is not None and cause.rule_id != rule.pk:
        return False
    return not rule.feature_ids or cause.feature_id in rule.feature_ids


def _event(type: str, rule: Rule, cause: Cause) -> Event:
    event_id = new_id()
    payload = {"id": event_id, "type": type, "timestamp": cause.at, "data": cause.data}
    return Event(
        id=event_id,
        created_at=clock.now(),
        type=type,
        rule=rule,
        dedupe_key=cause.key,
        body=dumps(payload),
        customer_id=cause.customer_id,
        feature_id=cause.feature_id,
        subject=cause.subject,
    )
