"""What ought to be billed when: from a subscription's facts to its obligations. Pure: no database, no clock."""

from subscriptions.schedule.facts import AnchorShift, CouponFacts, ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.grid import ServicePeriod, service_period_at, service_periods
from subscriptions.schedule.obligations import Component, Obligation, obligations

__all__ = [
    "AnchorShift",
    "Component",
    "CouponFacts",
    "ItemFacts",
    "Obligation",
    "RevisionFacts",
    "ServicePeriod",
    "SubscriptionFacts",
    "obligations",
    "service_period_at",
    "service_periods",
]
