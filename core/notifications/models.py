"""Channels, rules, events and deliveries: who is told what, what was told, and what came of it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core import clock
from core.db import Record, ULIDField, validate_metadata
from core.ids import new_id
from core.notifications.choices import EventType
from core.outbox.models import OutboxMessage


class Channel(Record):
    """An endpoint of somebody else's that takes webhooks. Its secret and its headers are encrypted (`core.crypto`).

    `failures`, `openings`, `open_until` and `probe_until` are its circuit breaker's, in real time: after failures in a
    row nobody sends to it until `open_until`; then one worker tries, until `probe_until` at most.
    """

    name = models.CharField(max_length=256)
    url = models.CharField("address", max_length=2048)
    secret = models.TextField(editable=False)
    headers = models.TextField(editable=False, blank=True)
    disabled = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    deleted_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    openings = models.PositiveIntegerField(default=0, editable=False)
    open_until = models.DateTimeField(null=True, editable=False)
    probe_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "webhook channel"
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["open_until"], name="channel_open", condition=models.Q(open_until__isnull=False))
        ]
        permissions = [("rotate_secret_channel", "Can replace the signing secret of a webhook channel")]

    def __str__(self) -> str:
        return self.name


class Rule(Record):
    """What its channels are told. `thresholds` are those of billing rules 9; without `feature_ids`: any feature."""

    type = models.CharField(max_length=64, choices=EventType.choices)
    name = models.CharField(max_length=256)
    channels = models.ManyToManyField(Channel, related_name="rules")
    thresholds = models.JSONField(default=list, blank=True)
    feature_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    disabled = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "notification rule"
        ordering = ["name", "id"]
        indexes = [
            # Looked at by whatever might cause an event: there are none for most types.
            models.Index(
                fields=["type"], name="rule_in_force", condition=models.Q(deleted_at__isnull=True, disabled=False)
            )
        ]
        permissions = [("test_rule", "Can send a test event of a notification rule")]

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """Something that one rule tells of, told once: `dedupe_key` names its cause. `body` is what is sent, byte for byte.

    Nothing changes one. `customer_id`, `feature_id` and `subject` are plain values: what they mean is known above.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=clock.now)
    type = models.CharField(max_length=64, choices=EventType.choices)
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="events")
    dedupe_key = models.CharField(max_length=200)
    body = models.TextField()
    customer_id = models.UUIDField(null=True)
    feature_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=1024, null=True)

    class Meta:
        verbose_name = "webhook event"
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["rule", "dedupe_key"], name="webhook_event_is_told_once")]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="webhook_event_by_time"),
            models.Index(fields=["subject", "-created_at"], name="webhook_event_of_subject"),
            models.Index(fields=["feature_id", "-created_at"], name="webhook_event_of_feature"),
        ]
        permissions = [("resend_event", "Can send a webhook event again")]

    def __str__(self) -> str:
        return f"“{self.get_type_display()}” of {self.created_at:%Y-%m-%d %H:%M} UTC"


class Delivery(models.Model):
    """An event on its way to one channel. When it is tried next, and whether no more, is said by its `message`.

    `succeeded_at`: an endpoint took it, so that it is not sent again, except where that was asked for (`resent_at`).
    `sending_until` is set while a worker waits for the endpoint, in real time.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="deliveries")
    message = models.OneToOneField(OutboxMessage, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)
    give_up_at = models.DateTimeField()
    succeeded_at = models.DateTimeField(null=True)
    resent_at = models.DateTimeField(null=True)
    sending_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["event", "channel"], name="one_delivery_a_channel")]
        indexes = [
            models.Index(fields=["channel"], name="delivery_under_way", condition=models.Q(sending_until__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.channel}"


class Attempt(models.Model):
    """One request to an endpoint. `status_code` is null where no answer came; `error` then says why."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField()
    succeeded = models.BooleanField()
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    error = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()
    url = models.TextField()

    class Meta:
        verbose_name = "delivery attempt"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"attempt of {self.at:%Y-%m-%d %H:%M} UTC"
