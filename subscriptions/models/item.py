"""Subscription items: what is billed, in which version when, and in what quantity."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q

from core import clock
from core.db import AmountField, Record, ULIDField, validate_metadata
from core.ids import new_id
from entitlements.models import Feature
from subscriptions.choices import RateCardType, UpdateAction
from subscriptions.models.addon import SubscriptionAddOn
from subscriptions.models.subscription import Subscription, SubscriptionPhase


class TsTzRange(Func):
    function = "TSTZRANGE"


class SubscriptionItem(Record):
    """The lasting identity of one item: its running number (1, 2, ...) and key never change.

    `purchase` is the add-on that it came with, if it did not come with the plan.

    After a change of plan that keeps the period's usage (billing rules 10), the item of the same key takes the period
    over at the old one's `continued_at`; its `earlier_use` lists what it takes over, `[{"item", "from", "to"}]`. Where
    an item of the same key and plan has charged its one-time fee, it owes none: `fee_charged_before`. `usage_splits`
    are the moments, in order, at which a running period of its usage was cut into windows billed apart. So are the
    `progressive_splits`, but what they cut are parts of one window (billing rules 7): a later part takes up what comes
    late for an earlier one.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="items")
    running_number = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=64)
    purchase = models.ForeignKey(
        SubscriptionAddOn, on_delete=models.CASCADE, null=True, blank=True, related_name="items"
    )
    earlier_use = models.JSONField(default=list, blank=True)
    continued_at = models.DateTimeField(null=True, blank=True)
    usage_splits = ArrayField(models.DateTimeField(), default=list, blank=True)
    progressive_splits = ArrayField(models.DateTimeField(), default=list, db_default=[], blank=True)
    fee_charged_before = models.BooleanField(default=False)

    class Meta:
        ordering = ["subscription", "running_number"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "running_number"], name="running_number_is_unique"),
            models.UniqueConstraint(fields=["subscription", "key"], name="item_key_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.running_number}. {self.key}"


class ItemRevision(Record):
    """How an item is priced during `[active_from, active_to)`. Revisions of one item never overlap.

    REST calls a revision a subscription item. `feature_key` is the feature's key when the revision was made. One that
    an edit brought in `is_edited`: its price is the customer's own, not the plan's.
    """

    item = models.ForeignKey(SubscriptionItem, on_delete=models.CASCADE, related_name="revisions")
    phase = models.ForeignKey(SubscriptionPhase, on_delete=models.CASCADE, related_name="revisions")
    active_from = models.DateTimeField()
    active_to = models.DateTimeField(null=True, blank=True)
    type = models.CharField(max_length=16, choices=RateCardType.choices)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    feature_key = models.CharField(max_length=64, null=True, blank=True)
    billing_cadence = models.CharField(max_length=16, null=True, blank=True)
    price = models.JSONField(null=True, blank=True)
    discounts = models.JSONField(null=True, blank=True)
    tax_config = models.JSONField(null=True, blank=True)
    entitlement_template = models.JSONField(null=True, blank=True)
    is_edited = models.BooleanField(default=False)

    class Meta:
        ordering = ["item", "active_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(active_to__isnull=True) | Q(active_to__gte=F("active_from")),
                name="revision_ends_after_it_starts",
            ),
            ExclusionConstraint(
                name="revisions_of_an_item_never_overlap",
                expressions=[
                    (
                        Func(F("item_id"), F("item_id"), models.Value("[]"), function="uuidrange"),
                        RangeOperators.OVERLAPS,
                    ),
                    (TsTzRange("active_from", "active_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.name


class QuantityChange(models.Model):
    """A flat item's quantity (seats) from `effective_at` on; of two at one time the one recorded later counts."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    item = models.ForeignKey(SubscriptionItem, on_delete=models.CASCADE, related_name="quantity_changes")
    effective_at = models.DateTimeField()
    quantity = AmountField()
    action = models.CharField(max_length=16, choices=UpdateAction.choices, default=UpdateAction.UPDATE)
    recorded_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["effective_at", "recorded_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=0), name="changed_quantity_is_not_negative"),
        ]
        indexes = [models.Index(fields=["item", "effective_at"], name="quantity_change_of_item")]

    def __str__(self) -> str:
        return f"{self.quantity} from {self.effective_at:%Y-%m-%d %H:%M} UTC"


class QuantityReport(models.Model):
    """What was reported for one period of a usage item without a meter; the last report before the snapshot wins.

    `period_start` is the start of the item's period. A report after the period's snapshot is `late`: kept, not billed
    (billing rules 4 and 6).
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    item = models.ForeignKey(SubscriptionItem, on_delete=models.CASCADE, related_name="quantity_reports")
    period_start = models.DateTimeField()
    quantity = AmountField()
    action = models.CharField(max_length=16, choices=UpdateAction.choices, default=UpdateAction.UPDATE)
    reported_at = models.DateTimeField(default=clock.now)
    late = models.BooleanField(default=False)

    class Meta:
        ordering = ["reported_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=0), name="reported_quantity_is_not_negative"),
        ]
        indexes = [models.Index(fields=["item", "period_start", "reported_at"], name="quantity_report_of_period")]

    def __str__(self) -> str:
        return f"{self.quantity} for the period from {self.period_start:%Y-%m-%d %H:%M} UTC"
