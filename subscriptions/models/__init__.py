"""The models of the subscriptions floor."""

from subscriptions.models.coupon import Coupon, CouponRedemption
from subscriptions.models.item import ItemRevision, QuantityChange, QuantityReport, SubscriptionItem
from subscriptions.models.plan import Plan, PlanPhase, RateCard
from subscriptions.models.subscription import Subscription, SubscriptionPhase

__all__ = [
    "Coupon",
    "CouponRedemption",
    "ItemRevision",
    "Plan",
    "PlanPhase",
    "QuantityChange",
    "QuantityReport",
    "RateCard",
    "Subscription",
    "SubscriptionItem",
    "SubscriptionPhase",
]
