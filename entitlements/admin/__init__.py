"""Meters, features, usage events, entitlements and what is told of them in the admin."""

from entitlements.admin.access import entitlement, grant
from entitlements.admin.features import feature
from entitlements.admin.metering import event, meter
from entitlements.admin.notices import channel, delivery, rule

__all__ = ["channel", "delivery", "entitlement", "event", "feature", "grant", "meter", "rule"]
