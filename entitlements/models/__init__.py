"""The models of the entitlements package."""

from entitlements.models.dropped import DroppedUsage
from entitlements.models.due import EntitlementChange, EntitlementDue, SpendingChange
from entitlements.models.entitlement import Entitlement, EntitlementReset
from entitlements.models.event import EventReversal, UsageEvent, UsageEventKey
from entitlements.models.feature import Feature
from entitlements.models.grant import Grant
from entitlements.models.meter import Meter
from entitlements.models.rollup import MeterRollup, SubjectChange, UsageRollup
from entitlements.models.snapshot import BalanceSnapshot
from entitlements.models.threshold_state import ThresholdState

__all__ = [
    "BalanceSnapshot",
    "DroppedUsage",
    "Entitlement",
    "EntitlementChange",
    "EntitlementDue",
    "EntitlementReset",
    "EventReversal",
    "Feature",
    "Grant",
    "Meter",
    "MeterRollup",
    "SpendingChange",
    "SubjectChange",
    "ThresholdState",
    "UsageEvent",
    "UsageEventKey",
    "UsageRollup",
]
