"""Admin pages that cross apps, and staff."""

from billing_site.backoffice.admin import app, customer, locked, override, profile, run, staff, subscription

__all__ = ["app", "customer", "locked", "override", "profile", "run", "staff", "subscription"]
