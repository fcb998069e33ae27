"""What can go wrong with meters, features, events and entitlements."""

from core.errors import Conflict, Forbidden, InvalidInput, PreconditionFailed


class MeterTaken(Conflict):
    """Another meter has this slug."""

    default_code = "meter_slug_taken"


class MeterInUse(Conflict):
    """Features are measured by this meter."""

    default_code = "meter_in_use"


class FeatureTaken(Conflict):
    """Another feature has this key."""

    default_code = "feature_key_taken"


class BadMeter(InvalidInput):
    """The meter can't be stored."""

    default_code = "invalid_meter"


class BadFeature(InvalidInput):
    """The feature can't be stored."""

    default_code = "invalid_feature"


class BadEvent(InvalidInput):
    """An event can't be stored, and so none of its batch is."""

    default_code = "invalid_event"


class RollupsUnfinished(Conflict):
    """Events are needed to build rollups from."""

    default_code = "rollups_unfinished"


class BadQuery(InvalidInput):
    """The usage can't be asked for in this way."""

    default_code = "invalid_query"


class BadEntitlement(InvalidInput):
    """The entitlement can't be stored."""

    default_code = "invalid_entitlement"


class BadGrant(InvalidInput):
    """The grant can't be stored, or not be voided then."""

    default_code = "invalid_grant"


class BadReset(InvalidInput):
    """Usage can't be reset at that time."""

    default_code = "invalid_reset"


class EntitlementTaken(Conflict):
    """The customer is entitled to the feature already (billing rules 9)."""

    default_code = "entitlement_exists"


class ResetTaken(Conflict):
    """Usage was reset at that very moment already."""

    default_code = "reset_exists"


class NotMetered(Conflict):
    """Only a metered entitlement has grants, resets and a history."""

    default_code = "entitlement_not_metered"


class EntitlementEnded(PreconditionFailed):
    """An entitlement that has ended takes nothing more."""

    default_code = "entitlement_ended"


class EntitlementManaged(Forbidden):
    """A subscription manages the entitlement (billing rules 9)."""

    default_code = "entitlement_managed"


class EventReversed(Conflict):
    """The event was taken back before."""

    default_code = "event_reversed"
