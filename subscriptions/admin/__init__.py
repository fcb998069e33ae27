"""Plans, add-ons, coupons and subscriptions in the admin."""

from subscriptions.admin import addon, coupon, plan, subscription

__all__ = ["addon", "coupon", "plan", "subscription"]
