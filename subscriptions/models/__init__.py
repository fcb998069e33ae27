"""The models of the subscriptions package."""

from subscriptions.models.addon import AddOn, AddOnQuantity, AddOnRateCard, PlanAddOn, SubscriptionAddOn
from subscriptions.models.coupon import Coupon, CouponRedemption
from subscriptions.models.item import ItemRevision, QuantityChange, QuantityReport, SubscriptionItem
from subscriptions.models.plan import Plan, PlanPhase, RateCard
from subscriptions.models.subscription import Subscription, SubscriptionPhase

__all__ = [
    "AddOn",
    "AddOnQuantity",
    "AddOnRateCard",
    "Coupon",
    "CouponRedemption",
    "ItemRevision",
    "Plan",
    "PlanAddOn",
    "PlanPhase",
    "QuantityChange",
    "QuantityReport",
    "RateCard",
    "Subscription",
    "SubscriptionAddOn",
    "SubscriptionItem",
    "SubscriptionPhase",
]
