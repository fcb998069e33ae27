"""The meter: how a number is read off usage events."""

from django.db import models

from core.db import Record, validate_metadata
from entitlements.choices import Aggregation


class Meter(Record):
    """Aggregates `value_property` (JSONPath into the event's data; none for COUNT) over events of `event_type`.

    `group_by` maps a dimension's name to the JSONPath of its value. `event_from`, when given, hides earlier events.
    """

    key = models.CharField(max_length=64)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    event_type = models.CharField(max_length=256)
    aggregation = models.CharField(max_length=16, choices=Aggregation.choices)
    value_property = models.CharField(max_length=512, null=True, blank=True)
    group_by = models.JSONField(default=dict, blank=True)
    event_from = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], name="meter_key_is_unique", condition=models.Q(deleted_at__isnull=True)
            ),
            models.CheckConstraint(
                condition=(models.Q(aggregation="COUNT") & models.Q(value_property__isnull=True))
                | (~models.Q(aggregation="COUNT") & models.Q(value_property__isnull=False)),
                name="meter_reads_a_value_unless_it_counts",
            ),
        ]

    def __str__(self) -> str:
        return self.key
