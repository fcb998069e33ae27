"""Meters, features and usage events in the admin."""

from entitlements.admin import event, feature, meter

__all__ = ["event", "feature", "meter"]
