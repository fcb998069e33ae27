"""Add-ons: what can be bought on top of a plan, on which plans, and what a subscription has bought."""

from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import Q

from core import clock
from core.db import AmountField, Record, ULIDField, validate_metadata
from core.ids import new_id
from entitlements.models import Feature
from subscriptions.choices import InstanceType
from subscriptions.models.catalog import AbstractRateCard, CatalogVersion
from subscriptions.models.plan import Plan
from subscriptions.models.subscription import Subscription


class AddOn(CatalogVersion):
    """One version of an add-on. A `single` one is bought once, a `multiple` one in any quantity."""

    instance_type = models.CharField(max_length=16, choices=InstanceType.choices)

    class Meta:
        verbose_name = "add-on"
        ordering = ["key", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["key", "version"], name="addon_version_is_unique", condition=Q(deleted_at__isnull=True)
            ),
            models.UniqueConstraint(
                fields=["key"],
                name="one_draft_per_addon",
                condition=Q(deleted_at__isnull=True, effective_from__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["key"],
                name="one_open_version_per_addon",
                condition=Q(deleted_at__isnull=True, effective_from__isnull=False, effective_to__isnull=True),
            ),
        ]


class AddOnRateCard(AbstractRateCard):
    """One rate card of an add-on: an item of its own in the subscription that buys it."""

    addon = models.ForeignKey(AddOn, on_delete=models.CASCADE, related_name="rate_cards")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = "add-on rate card"
        ordering = ["addon", "position"]
        constraints = [
            models.UniqueConstraint(fields=["addon", "position"], name="addon_rate_card_position_is_unique"),
            models.UniqueConstraint(fields=["addon", "key"], name="addon_rate_card_key_is_unique"),
        ]


class PlanAddOn(Record):
    """An add-on that subscribers to a plan's version can buy, from one of its phases on, up to `max_quantity`."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="plan_addons")
    addon = models.ForeignKey(AddOn, on_delete=models.PROTECT, related_name="plan_addons")
    from_plan_phase = models.CharField(max_length=64)
    max_quantity = models.PositiveIntegerField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])

    class Meta:
        verbose_name = "add-on of a plan"
        verbose_name_plural = "add-ons of plans"
        ordering = ["plan", "addon"]
        constraints = [models.UniqueConstraint(fields=["plan", "addon"], name="addon_is_offered_once_per_plan")]

    def __str__(self) -> str:
        return f"{self.addon} on {self.plan}"


class SubscriptionAddOn(Record):
    """An add-on that a subscription has bought; how many of it when is in its quantities."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="addons")
    addon = models.ForeignKey(AddOn, on_delete=models.PROTECT, related_name="purchases")
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])

    class Meta:
        verbose_name = "add-on of a subscription"
        verbose_name_plural = "add-ons of subscriptions"
        ordering = ["subscription", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "addon"], name="addon_is_bought_once_per_subscription")
        ]

    def __str__(self) -> str:
        return self.name

    def quantity_at(self, moment: datetime) -> Decimal:
        """How many at `moment`; nothing before the first. Reads `quantities`, which may be prefetched."""
        quantity = Decimal(0)
        for change in self.quantities.all():
            if change.effective_at <= moment:
                quantity = change.quantity
        return quantity


class AddOnQuantity(models.Model):
    """How many of an add-on from `effective_at` on; 0 ends it."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    purchase = models.ForeignKey(SubscriptionAddOn, on_delete=models.CASCADE, related_name="quantities")
    effective_at = models.DateTimeField()
    quantity = AmountField()
    recorded_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "add-on quantities"
        ordering = ["effective_at"]
        constraints = [
            models.UniqueConstraint(fields=["purchase", "effective_at"], name="one_addon_quantity_at_a_time"),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="addon_quantity_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} from {self.effective_at:%Y-%m-%d %H:%M} UTC"
