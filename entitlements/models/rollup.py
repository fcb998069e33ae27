"""Rollups of usage events: what is kept for a meter, and the figures of each hour and day."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.db import AmountField, ULIDField
from entitlements.models.meter import Meter


class MeterRollup(models.Model):
    """Rollups of a meter by the values at `paths`. Every ingest adds to them from the moment on at which this row is
    there; older events, those with a `seq` up to `watermark`, are added by `metering.store.build`, day by day, and are
    in up to `built_to`. Bills and queries read rollups once they are whole, and raw events until then."""

    id = models.AutoField(primary_key=True)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="rollups")
    paths = ArrayField(models.TextField(), default=list)
    watermark = models.BigIntegerField()
    built_to = models.DateTimeField(null=True)
    whole_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.meter} by {', '.join(self.paths) or 'nothing'}"


class UsageRollup(models.Model):
    """The figures of one subject's events in one hour (grain 1) or day (grain 24) in UTC, of one combination of values.

    `groups` maps a path to its text. A meter that counts unique values has a row for each of them. `first_at` and
    `last_at` are the times of the first and last event: a boundary that lies before or after both cuts nothing.
    `for_thresholds` and `for_late_usage` mark hours that have changed since these looked (`metering.touched`). A row
    whose events were all reversed stays, with zero events, so that it can be marked.
    """

    pk = models.CompositePrimaryKey("rollup", "subject", "grain", "start", "groups_key", "value_key")
    # No foreign key: it would cost a look-up for each row of each ingest. What is dropped is deleted by its number.
    rollup = models.IntegerField(db_column="rollup_id")
    subject = models.CharField(max_length=256)
    grain = models.SmallIntegerField()
    start = models.DateTimeField()
    groups_key = models.UUIDField()
    value_key = models.UUIDField()
    groups = models.JSONField(null=True)
    events = models.BigIntegerField()
    unreadable = models.BigIntegerField()
    sum = AmountField(null=True)
    min = AmountField(null=True)
    max = AmountField(null=True)
    latest = AmountField(null=True)
    latest_at = models.DateTimeField(null=True)
    latest_id = ULIDField(null=True)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    for_thresholds = models.BooleanField(db_default=False)
    for_late_usage = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["rollup", "subject", "start"],
                name="rollup_for_thresholds",
                condition=models.Q(for_thresholds=True),
            ),
            models.Index(
                fields=["rollup", "subject", "start"],
                name="rollup_for_late_usage",
                condition=models.Q(for_late_usage=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.start:%Y-%m-%d %H:%M}"


class SubjectChange(models.Model):
    """Whose usage a subject's is has changed, from `since` on (null: for all time): the database writes it with the
    change, and `metering.touched` turns it into marks of hours."""

    id = models.BigAutoField(primary_key=True)
    subject = models.CharField(max_length=256)
    since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.subject
