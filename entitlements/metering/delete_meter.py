"""Taking a meter out of use."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from entitlements.errors import MeterInUse
from entitlements.metering.store.build import drop_rollups
from entitlements.models import Meter


@transaction.atomic
def delete_meter(*, meter: Meter) -> None:
    """Mark the meter as deleted; its slug becomes free, its events stay. Raises `MeterInUse` while features use it."""
    meter = Meter.objects.select_for_update().get(pk=meter.pk)
    if meter.deleted_at:
        return
    users = list(meter.features.filter(archived_at=None).values_list("key", flat=True)[:5])
    if users:
        raise MeterInUse(
            f"The meter {meter} measures features: {', '.join(users)}. It was not deleted. Archive them first."
        )
    meter.deleted_at = clock.now()
    meter.save(update_fields=["deleted_at", "updated_at"])
    drop_rollups(meter.rollups.filter(dropped_at=None), meter.event_type)
    record(verb="meter.deleted", target=meter, did=f"deleted the meter {meter}")
