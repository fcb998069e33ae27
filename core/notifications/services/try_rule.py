"""Sending a made-up event by a rule, so that whoever looks after an endpoint sees one come in."""

import json
from decimal import Decimal
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction

from core import clock
from core.ids import new_id
from core.notifications.errors import NotSendable
from core.notifications.models import Event, Rule
from core.notifications.services.record_events import Cause, send


@transaction.atomic
def try_rule(*, rule: Rule) -> Event:
    """Send an example of what the rule tells to its channels, whether or not it is in force otherwise. Nothing else
    comes of it. NotSendable where no channel takes anything."""
    sendable = [
        channel for channel in rule.channels.order_by("id") if channel.deleted_at is None and not channel.disabled
    ]
    if not sendable:
        raise NotSendable("None of the rule's channels takes anything: all are deleted or disabled. Nothing was sent.")
    rule.sendable = sendable  # type: ignore[attr-defined]
    data = example(rule.type)
    if rule.thresholds:
        first = rule.thresholds[0]
        data = data | {"threshold": {"type": first["type"], "value": Decimal(first["value"])}}
    [event] = send(rule.type, [(rule, Cause(key=f"test:{new_id()}", data=data, at=clock.now()))])
    return event


@cache
def _text_of(type: str) -> str:
    return (settings.BASE_DIR / "templates" / "webhooks" / f"{type}.json").read_text()


def example(type: str) -> dict[str, Any]:
    """The payload's data of an example of this type: `templates/webhooks/`."""
    data: dict[str, Any] = json.loads(_text_of(type), parse_float=Decimal)
    return data
