"""What can go wrong with channels, rules and events."""

from core.errors import InvalidInput, PreconditionFailed


class BadChannel(InvalidInput):
    """The channel can't be stored."""

    default_code = "invalid_notification_channel"


class BadRule(InvalidInput):
    """The rule can't be stored."""

    default_code = "invalid_notification_rule"


class NotSendable(PreconditionFailed):
    """What is asked for has nowhere to go."""

    default_code = "notification_not_sendable"
