"""The subscription and its phases."""

from django.db import models
from django.db.models import F, Q

from core.db import Record, validate_metadata
from customers.models import Customer
from subscriptions.models.plan import Plan


class Subscription(Record):
    """A customer on a plan (or on terms of their own) from `active_from` to `active_to`, UTC, half-open.

    Period boundaries fall on `billing_anchor`'s wall time in `time_zone`, both frozen here at the start (billing
    rules 2). `anchor_shifts` lists later anchors, `[{"from": boundary, "anchor": new first boundary}]`, made by
    extending a period (billing rules 4). `pauses` lists the times in which nothing is active or billed,
    `[{"from": ..., "to": ... or null}]`. `previous` is the subscription that a change of plan ended for this one, and
    `keeps_usage` whether this one goes on with what was used of its running periods.

    Two columns steer the close: `next_billing_at` is when the next line falls due (null: nothing ever will), and
    `reconcile_from` is the earliest time whose lines may differ from the facts; a change in the past sets it back.
    """

    # `subscription_of_customer` begins with the customer.
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="subscriptions")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="subscriptions")
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64)
    billing_cadence = models.CharField(max_length=16)
    billing_anchor = models.DateTimeField()
    anchor_shifts = models.JSONField(default=list, blank=True)
    pauses = models.JSONField(default=list, blank=True)
    previous = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="successors")
    keeps_usage = models.BooleanField(default=True)
    pro_rating_enabled = models.BooleanField(default=True)
    settlement_mode = models.CharField(max_length=32, default="credit_then_invoice")
    active_from = models.DateTimeField()
    active_to = models.DateTimeField(null=True, blank=True)
    next_billing_at = models.DateTimeField(null=True, blank=True)
    reconcile_from = models.DateTimeField()

    class Meta:
        ordering = ["-active_from", "-id"]
        permissions = [
            ("change_plan_subscription", "Can change the plan of subscriptions"),
            ("change_quantity_subscription", "Can change quantities of subscriptions"),
            ("change_addon_subscription", "Can change add-ons of subscriptions"),
            ("redeem_coupon_subscription", "Can redeem coupons on subscriptions"),
            ("pause_subscription", "Can pause subscriptions"),
            ("resume_subscription", "Can resume subscriptions"),
            ("unschedule_subscription", "Can take back planned ends of subscriptions"),
            ("cancel_subscription", "Can cancel subscriptions"),
            ("backdate_subscription", "Can date changes of subscriptions in the past"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(active_to__isnull=True) | Q(active_to__gte=F("active_from")),
                name="subscription_ends_after_it_starts",
            )
        ]
        indexes = [
            # None of the times that a close sets: nobody is looked for by them, and so a close touches no index here.
            models.Index(fields=["customer", "-active_from"], name="subscription_of_customer"),
            models.Index(fields=["-active_from", "-id"], name="subscription_by_start"),
            models.Index(fields=["-active_to", "-id"], name="subscription_by_end"),
            models.Index(fields=["-created_at", "-id"], name="subscription_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.customer}"


class SubscriptionPhase(Record):
    """A phase of the plan, placed in time."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="phases")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    active_from = models.DateTimeField()
    active_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["subscription", "position"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "key"], name="subscription_phase_key_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name
