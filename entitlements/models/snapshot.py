"""The balance snapshot: a cache of where a burn-down had come to."""

from django.db import models

from core import clock
from entitlements.models.entitlement import Entitlement


class BalanceSnapshot(models.Model):
    """The `state` of an entitlement's burn-down at `at`. It costs time to do without, and never meaning:
    `facts` is a hash of all that it came from but usage, `events` how many usage events, and `reversals` how many had
    been taken back by then. Whoever reads it compares all of them with what there is now, and does without it where
    they differ."""

    id = models.BigAutoField(primary_key=True)
    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE, db_index=False, related_name="snapshots")
    at = models.DateTimeField()
    facts = models.CharField(max_length=64)
    events = models.BigIntegerField()
    reversals = models.BigIntegerField(default=0)
    state = models.JSONField()
    taken_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["entitlement", "at"], name="one_snapshot_at_a_time")]

    def __str__(self) -> str:
        return f"{self.entitlement} at {self.at:%Y-%m-%d %H:%M} UTC"
