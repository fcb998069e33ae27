"""Coupons and their redemptions."""

from django.db import models
from django.db.models import Q

from core import clock
from core.db import AmountField, Record, ULIDField
from core.ids import new_id
from subscriptions.models.item import SubscriptionItem


class Coupon(Record):
    """A percentage or a fixed amount off, for `periods` billing periods (null: forever), once per item.

    Billing rules 3 say how it reduces a line.

    `item_keys` and `plan_keys` narrow where it may be redeemed; empty means anywhere.
    """

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=256, blank=True)
    percentage = AmountField(null=True, blank=True)
    amount = AmountField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    periods = models.PositiveIntegerField(null=True, blank=True, default=1)
    item_keys = models.JSONField(default=list, blank=True)
    plan_keys = models.JSONField(default=list, blank=True)
    redemption_limit = models.PositiveIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                condition=Q(percentage__gt=0, percentage__lte=100, amount__isnull=True, currency="")
                | (Q(percentage__isnull=True, amount__gt=0) & ~Q(currency="")),
                name="coupon_is_a_percentage_or_an_amount",
                violation_error_message="Give a percentage (above 0, at most 100) or an amount with its currency.",
            ),
            models.CheckConstraint(
                condition=Q(periods__isnull=True) | Q(periods__gte=1), name="coupon_lasts_at_least_one_period"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class CouponRedemption(models.Model):
    """A coupon in use on an item: it reduces every charge whose service starts in `[effective_from, effective_to)`.

    `continues` is the redemption that a change of plan carried over to this item: the same one, so it counts once.
    `untouched` are spans, as `{"from", "to"}` in UTC, that were billed without anything for the coupon to take off; a
    period of nothing else is not counted, so `effective_to` lies one later for each (billing rules 3).
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="redemptions")
    item = models.ForeignKey(SubscriptionItem, on_delete=models.CASCADE, related_name="coupon_redemptions")
    redeemed_at = models.DateTimeField(default=clock.now)
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)
    continues = models.OneToOneField(
        "self", on_delete=models.RESTRICT, null=True, blank=True, related_name="continued_by"
    )
    untouched = models.JSONField(default=list, blank=True, editable=False)

    class Meta:
        ordering = ["redeemed_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["coupon", "item"], name="coupon_redeemed_once_per_item"),
        ]

    def __str__(self) -> str:
        return f"{self.coupon} on {self.item}"
