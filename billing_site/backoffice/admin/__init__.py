"""Admin pages that cross apps, staff, and what every installation has: the trail, notices, the clock, requests."""

from billing_site.backoffice.admin import (
    app,
    approvals,
    audit,
    customer,
    event,
    late_usage,
    locked,
    outbox,
    override,
    profile,
    run,
    staff,
    subscription,
    testclock,
)

__all__ = [
    "app",
    "approvals",
    "audit",
    "customer",
    "event",
    "late_usage",
    "locked",
    "outbox",
    "override",
    "profile",
    "run",
    "staff",
    "subscription",
    "testclock",
]
