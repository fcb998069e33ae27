"""Plans, coupons and subscriptions in the admin."""

from subscriptions.admin import coupon, plan, subscription

__all__ = ["coupon", "plan", "subscription"]
