"""Meters, features and usage events in the admin."""

from entitlements.admin.features import feature
from entitlements.admin.metering import event, meter

__all__ = ["event", "feature", "meter"]
