"""Disabling a channel whose endpoint says that it is gone."""

from django.db import transaction

from core.audit.services.record import record
from core.notifications.models import Channel


@transaction.atomic
def disable_gone(channel: Channel) -> None:
    """Disable the channel whose endpoint answered 410: what waits for it is given up, and can be sent again once staff
    have enabled it. One that has another address by now stays as it is, and so does one that is disabled."""
    stored = Channel.objects.select_for_update().get(pk=channel.pk)
    if stored.disabled or stored.deleted_at is not None or stored.url != channel.url:
        return
    stored.disabled = True
    stored.save(update_fields=["disabled", "updated_at"])
    record(
        verb="channel.disabled",
        target=stored,
        did=f"disabled the webhook channel {stored}: its endpoint answered 410, it wants nothing any more",
        changes={"disabled": [False, True]},
    )
