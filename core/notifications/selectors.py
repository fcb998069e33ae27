"""Reads of channels, rules and events."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet

from core.clock import real_now
from core.notifications.choices import DeliveryState
from core.notifications.models import Attempt, Channel, Delivery, Event, Rule


def rules_in_force(type: str) -> QuerySet[Rule]:
    """The rules that an event of this type is told by. One query, two with their channels; none has none."""
    sendable = Channel.objects.filter(deleted_at=None, disabled=False).order_by("id")
    shown = Prefetch("channels", sendable, to_attr="sendable")
    return Rule.objects.filter(type=type, deleted_at=None, disabled=False).order_by("id").prefetch_related(shown)


def channels_of(rules: QuerySet[Rule]) -> QuerySet[Rule]:
    """These rules, each with its `shown_channels`. One query more."""
    return rules.prefetch_related(Prefetch("channels", Channel.objects.order_by("id"), to_attr="shown_channels"))


def events_for_display() -> QuerySet[Event]:
    """All events with their rules, channels, deliveries and attempts: six queries, whatever the number."""
    attempts = Prefetch("attempts", Attempt.objects.order_by("-id"), to_attr="shown_attempts")
    deliveries = Delivery.objects.select_related("channel", "message").order_by("id").prefetch_related(attempts)
    return Event.objects.prefetch_related(
        Prefetch("rule", channels_of(Rule.objects.all())),
        Prefetch("deliveries", deliveries, to_attr="shown_deliveries"),
    )


def state_of(delivery: Delivery) -> DeliveryState:
    """Where a delivery stands: read off its message, so that nothing else can say otherwise."""
    message = delivery.message
    if message.delivered_at is not None:
        return DeliveryState.SUCCESS
    if delivery.sending_until is not None and delivery.sending_until > real_now():
        return DeliveryState.SENDING
    if message.due_at is None:
        return DeliveryState.FAILED
    return DeliveryState.PENDING if delivery.resent_at is None else DeliveryState.RESENDING


def next_attempt_at(delivery: Delivery) -> datetime | None:
    """When it is tried (again), None: no more."""
    return delivery.message.due_at


def reason_of(delivery: Delivery) -> str:
    """Why it stands there, in a sentence; empty where it went well or waits for its first attempt."""
    return delivery.message.last_error


def with_state(deliveries: QuerySet[Any], state: str) -> QuerySet[Any]:
    """Those of these deliveries that stand so, as `state_of` says."""
    under_way = {"sending_until__gt": real_now()}
    waiting = deliveries.filter(message__delivered_at=None)
    if state == DeliveryState.SUCCESS:
        return deliveries.filter(message__delivered_at__isnull=False)
    if state == DeliveryState.SENDING:
        return waiting.filter(**under_way)
    waiting = waiting.exclude(**under_way)
    if state == DeliveryState.FAILED:
        return waiting.filter(message__due_at=None)
    waiting = waiting.filter(message__due_at__isnull=False)
    return waiting.filter(resent_at__isnull=state != DeliveryState.RESENDING)


def channels_by_id(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Channel]:
    """Those of these channels that are not deleted."""
    return {channel.pk: channel for channel in Channel.objects.filter(pk__in=ids, deleted_at=None)}
