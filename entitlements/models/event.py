"""The usage event, as CloudEvents spells it."""

from django.db import models

from core import clock
from core.db import ULIDField
from core.ids import new_id


class UsageEvent(models.Model):
    """One event. `source` and `external_id` (the CloudEvents id) together name it: a repeat is dropped at ingest."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    source = models.CharField(max_length=256)
    external_id = models.CharField(max_length=256)
    type = models.CharField(max_length=256)
    subject = models.CharField(max_length=256)
    time = models.DateTimeField()
    data = models.JSONField(null=True)
    ingested_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-time", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="event_is_stored_once"),
        ]
        indexes = [
            models.Index(fields=["subject", "type", "time"], name="event_by_subject"),
            models.Index(fields=["-time", "-id"], name="event_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id}"
