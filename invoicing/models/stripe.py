"""What a Stripe app keeps beyond the app itself: its account and credentials, and the events that it has handled."""

from django.db import models

from core import clock
from core.db import Record, ULIDField
from core.ids import new_id
from customers.models import BillingApp
from invoicing.models.payment import Payment


class StripeAccount(Record):
    """The Stripe account behind an installed app. Both secrets are encrypted (`core.crypto`) and never shown again.

    `livemode` is that of the key at installation, for good: test and live data never mix under one app.
    """

    app = models.OneToOneField(BillingApp, on_delete=models.PROTECT, related_name="stripe_account")
    account_id = models.CharField(max_length=255)
    livemode = models.BooleanField()
    api_key = models.TextField()
    masked_api_key = models.CharField(max_length=64)
    webhook_secret = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.account_id} ({'live' if self.livemode else 'test'})"


class StripeEvent(models.Model):
    """An event that Stripe sent and we have handled: whatever comes twice is handled once. Its body is not kept."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    app = models.ForeignKey(BillingApp, on_delete=models.PROTECT, related_name="stripe_events")
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=255)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField(default=clock.real_now)
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="provider_events"
    )
    outcome = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["app", "event_id"], name="stripe_event_handled_once")]
        indexes = [models.Index(fields=["app", "-received_at"], name="stripe_event_latest")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
