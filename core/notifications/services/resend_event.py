"""Sending again what was sent, or given up."""

import uuid
from collections.abc import Collection

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.ids import to_text
from core.leases import unleased
from core.notifications.errors import NotSendable
from core.notifications.models import Channel, Delivery, Event
from core.notifications.retries import GIVE_UP_AFTER
from core.notifications.services.record_events import deliver
from core.outbox.models import OutboxMessage


@transaction.atomic
def resend_event(*, event: Event, channel_ids: Collection[uuid.UUID] = ()) -> None:
    """Send an event once more, under the same id, to these channels of its rule; to all where none is named. What is
    under way this moment goes on as it is.

    Raises `NotSendable` for a channel that is not the rule's, or is deleted or disabled, and where none is left.
    """
    channels = _channels(event, set(channel_ids))
    # One after the other with whoever resends it as well.
    known = {
        delivery.channel_id: delivery
        for delivery in Delivery.objects.select_for_update().filter(event=event, channel__in=channels).order_by("id")
    }
    now = clock.now()
    messages = OutboxMessage.objects.filter(unleased(), pk__in=[each.message_id for each in known.values()])
    free = set(messages.select_for_update().values_list("pk", flat=True))
    OutboxMessage.objects.filter(pk__in=free).update(attempts=0, due_at=now, delivered_at=None, last_error="")
    Delivery.objects.filter(message_id__in=free).update(
        resent_at=now, updated_at=now, succeeded_at=None, give_up_at=now + GIVE_UP_AFTER
    )
    deliver([(event, channel) for channel in channels if channel.pk not in known])
    named = ", ".join(channel.name for channel in channels)
    record(
        verb="event.resent",
        target=event,
        did=f"sent the event {to_text(event.pk)} again to {named}",
        customer_id=event.customer_id,
    )


def _channels(event: Event, wanted: set[uuid.UUID]) -> list[Channel]:
    of_rule = list(event.rule.channels.order_by("id"))
    told = {each.channel_id: each.channel for each in event.deliveries.select_related("channel")}
    known = {channel.pk: channel for channel in of_rule} | told
    strangers = wanted - known.keys()
    if strangers:
        named = ", ".join(sorted(map(to_text, strangers)))
        raise NotSendable(f"The event's rule has no channel {named}. Nothing was sent.")
    sendable = [channel for channel in known.values() if channel.deleted_at is None and not channel.disabled]
    resting = wanted - {channel.pk for channel in sendable}
    if resting:
        named = ", ".join(sorted(map(to_text, resting)))
        raise NotSendable(f"The channel {named} is deleted or disabled. Nothing was sent. Enable it first.")
    chosen = [channel for channel in sendable if not wanted or channel.pk in wanted]
    if not chosen:
        raise NotSendable("None of the event's channels takes anything: all are deleted or disabled. Nothing was sent.")
    return chosen
