"""Taking one event back, for a reason."""

from django.db import IntegrityError, transaction

from core.audit.services.record import record
from core.errors import NotFound
from entitlements.errors import BadEvent, EventReversed
from entitlements.metering.store.chosen import USAGE_STORE
from entitlements.models import EventReversal

_MAX_REASON = 1024


@transaction.atomic
def reverse_event(*, source: str, event_id: str, reason: str) -> EventReversal:
    """Let the event known by `source` and `event_id` count no more, anywhere; it stays to be seen, with the reason.

    A window that isn't billed yet is billed without it. One that is stays as it was billed: the difference is late
    usage (billing rules 6). The id is not free again: the same event sent once more stays reversed.

    Raises `NotFound` where no such event is stored, `EventReversed` where it was reversed before, `BadEvent` without a
    reason.
    """
    reason = reason.strip()
    if not reason or len(reason) > _MAX_REASON or "\x00" in reason:
        raise BadEvent(f"Give the reason, in 1 to {_MAX_REASON} characters. Nothing was changed.")
    event = USAGE_STORE.find_event(source, event_id)
    if event is None:
        raise NotFound(f"No event {event_id[:64]} of {source[:64]} is stored. Nothing was changed.")
    reversal = EventReversal(
        event_id=event.id,
        source=event.source,
        external_id=event.external_id,
        type=event.type,
        subject=event.subject,
        time=event.time,
        reason=reason,
    )
    try:
        with transaction.atomic():
            reversal.save(force_insert=True)
    except IntegrityError as error:
        raise EventReversed(f"The event {event_id} was reversed before. Nothing was changed.") from error
    USAGE_STORE.leave_out(event)
    record(
        verb="usage_event.reversed",
        target=reversal,
        did=f"reversed the usage event {event.external_id} of {event.subject}",
        reason=reason,
    )
    return reversal
