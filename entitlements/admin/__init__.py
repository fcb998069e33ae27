"""Meters, features, usage events and entitlements in the admin."""

from entitlements.admin.access import entitlement, grant
from entitlements.admin.features import feature
from entitlements.admin.metering import event, meter

__all__ = ["entitlement", "event", "feature", "grant", "meter"]
