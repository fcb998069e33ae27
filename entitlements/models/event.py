"""The usage event, as CloudEvents spells it, the key by which it is known, and the record that takes one back."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from core import clock
from core.db import Record, ULIDField
from core.ids import new_id


class UsageEvent(models.Model):
    """One event, never changed once stored. `UsageEventKey` sees to it that `source` and `external_id` (the CloudEvents
    id) are stored once.

    The table is partitioned by month of `time` (`metering.store.partitions`), so in the database the key is (id, time).
    Each row also has the column `seq`, in order of storing within an event type, by which a rollup tells the events
    from before its time: the database fills it, and only SQL reads it.
    """

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
        permissions = [("reverse_usageevent", "Can reverse usage events")]
        indexes = [
            models.Index(fields=["subject", "type", "time"], name="event_by_subject"),
            models.Index(fields=["-time", "-id"], name="event_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id}"


class UsageEventKey(models.Model):
    """Claims (source, event id) in the transaction that stores the event, and says where it is."""

    pk = models.CompositePrimaryKey("source", "event_id")
    source = models.CharField(max_length=256)
    event_id = models.CharField(max_length=256)
    stored_as = ULIDField()
    time = models.DateTimeField()

    class Meta:
        # What retention forgets is found by time; the rows lie nearly in that order.
        indexes = [BrinIndex(fields=["time"], name="event_key_by_time")]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"


class EventReversal(Record):
    """Takes one event out of every count, for a reason; the event itself stays as it came."""

    event_id = ULIDField(unique=True)
    source = models.CharField(max_length=256)
    external_id = models.CharField(max_length=256)
    type = models.CharField(max_length=256)
    subject = models.CharField(max_length=256)
    time = models.DateTimeField()
    reason = models.CharField(max_length=1024)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["subject", "type", "time"], name="reversal_by_subject")]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id}"
