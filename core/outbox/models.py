"""The outbox: one row per message, written in the transaction that causes it."""

from django.db import models

from core import clock
from core.db import ULIDField
from core.ids import new_id


class OutboxMessage(models.Model):
    """A message due for delivery. `due_at` is when the next attempt may run; delivered or given up, it is null.
    `attempts` are those that were begun.

    `lease_until` says until when the worker that sends it is believed alive, `lease_token` which one it is
    (`core.leases`). `lane` is its receiver, where messages of one topic have several.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=clock.now)
    topic = models.CharField(max_length=64)
    dedupe_key = models.CharField(max_length=200, null=True, unique=True)
    customer_id = models.UUIDField(null=True)
    lane = models.UUIDField(null=True)
    payload = models.JSONField()
    due_at = models.DateTimeField(null=True, default=clock.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)

    class Meta:
        verbose_name = "notice"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["due_at"], name="outbox_due", condition=models.Q(due_at__isnull=False)),
            models.Index(fields=["topic", "due_at"], name="outbox_topic_due", condition=models.Q(due_at__isnull=False)),
            models.Index(fields=["customer_id", "-created_at"], name="outbox_customer"),
            # What was given up: few rows, and somebody has to look at each.
            models.Index(
                fields=["-id"],
                name="outbox_given_up",
                condition=models.Q(due_at__isnull=True, delivered_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} of {self.created_at:%Y-%m-%d %H:%M} UTC"
