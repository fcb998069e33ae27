"""The scopes that an API key can have."""

from typing import Final

from django.db import models


class Scope(models.TextChoices):
    """What a key allows. A `write` scope does not include reading; `*` is all of them."""

    ALL = "*", "Everything"
    USAGE_WRITE = "usage:write", "Report usage"
    USAGE_READ = "usage:read", "Read usage, meters and events"
    CUSTOMERS_READ = "customers:read", "Read customers"
    CUSTOMERS_WRITE = "customers:write", "Create and change customers"
    CATALOG_READ = "catalog:read", "Read meters, features, plans and add-ons"
    CATALOG_WRITE = "catalog:write", "Create and change meters, features, plans and add-ons"
    SUBSCRIPTIONS_READ = "subscriptions:read", "Read subscriptions and contracts"
    SUBSCRIPTIONS_WRITE = "subscriptions:write", "Create and change subscriptions and contracts"
    BACKDATE = "backdate", "Date starts and changes in the past"
    ENTITLEMENTS_READ = "entitlements:read", "Check entitlements"
    ENTITLEMENTS_WRITE = "entitlements:write", "Create and change entitlements and grants"
    BILLING_READ = "billing:read", "Read profiles, invoices, payments and credits"
    BILLING_WRITE = "billing:write", "Change profiles, invoices, payments and credits"
    NOTIFICATIONS_READ = "notifications:read", "Read channels, rules and notices"
    NOTIFICATIONS_WRITE = "notifications:write", "Change channels and rules"
    SETUP = "setup:write", "Set up untaxed customers, and pass on where customers live"
    APPROVALS = "approvals:write", "Act without a second person"
    CLOCK_WRITE = "clock:write", "Set the test clock"


APPROVED_SCOPES: Final = frozenset({Scope.SETUP, Scope.APPROVALS})
"""What a key of staff has only once a second person approved it: `*` leaves it out, and it isn't given with the key."""
