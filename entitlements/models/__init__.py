"""The models of the entitlements package."""

from entitlements.models.event import UsageEvent
from entitlements.models.feature import Feature
from entitlements.models.meter import Meter

__all__ = ["Feature", "Meter", "UsageEvent"]
