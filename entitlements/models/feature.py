"""The feature: what is sold and metered under one key."""

from django.db import models

from core.db import Record, validate_metadata
from entitlements.models.meter import Meter


class Feature(Record):
    """Its usage is its meter's, narrowed by `meter_filters` (dimension -> list of values); without a meter it takes
    reported quantities (billing rules 4). An archived feature is still billed where it is subscribed to; its key
    becomes free."""

    key = models.CharField(max_length=64)
    name = models.CharField(max_length=256)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, null=True, blank=True, related_name="features")
    meter_filters = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], name="feature_key_is_unique", condition=models.Q(archived_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.key
