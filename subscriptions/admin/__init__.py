"""Plans, add-ons, coupons and subscriptions in the admin."""

from subscriptions.admin.catalog import addon, coupon, plan
from subscriptions.admin.lifecycle import subscription

__all__ = ["addon", "coupon", "plan", "subscription"]
