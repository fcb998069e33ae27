"""What can go wrong with meters, features and events."""

from core.errors import Conflict, InvalidInput


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


class BadQuery(InvalidInput):
    """The usage can't be asked for in this way."""

    default_code = "invalid_query"
