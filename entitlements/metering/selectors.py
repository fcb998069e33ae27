"""Reads of meters and usage events."""

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from core.rest.lookups import find
from entitlements.models import Meter, UsageEvent


def find_meter(id_or_slug: str) -> Meter:
    """The meter with this id or slug; `NotFound` where there is none or it was deleted."""
    return find(Meter.objects.filter(deleted_at=None), id_or_slug, what="meter", key="key")


def events_for_display() -> QuerySet[UsageEvent]:
    """All events, each with `data_text`: its data as JSON text, because Django would read numbers as floats."""
    return UsageEvent.objects.defer("data").annotate(data_text=Cast("data", TextField()))
