"""The closed lists of words that notices use, as the clients type them."""

from django.db import models


class EventType(models.TextChoices):
    BALANCE_THRESHOLD = "entitlements.balance.threshold", "Usage or balance crosses a threshold"
    RESET = "entitlements.reset", "An entitlement begins a new usage period"
    INVOICE_CREATED = "invoice.created", "An invoice is made"
    INVOICE_UPDATED = "invoice.updated", "An invoice changes"


ABOUT_FEATURES = frozenset({EventType.BALANCE_THRESHOLD, EventType.RESET})
"""Types whose rules may be narrowed to features."""


class ThresholdType(models.TextChoices):
    """What a threshold is compared with. PERCENT and NUMBER are the former names of the two about usage."""

    BALANCE_VALUE = "balance_value", "Balance below"
    USAGE_PERCENTAGE = "usage_percentage", "Usage above, in percent of the total"
    USAGE_VALUE = "usage_value", "Usage above"
    PERCENT = "PERCENT", "Usage above, in percent of the total (former name)"
    NUMBER = "NUMBER", "Usage above (former name)"


class DeliveryState(models.TextChoices):
    PENDING = "PENDING", "Waiting"
    SENDING = "SENDING", "Under way"
    SUCCESS = "SUCCESS", "Delivered"
    FAILED = "FAILED", "Given up"
    RESENDING = "RESENDING", "To be sent again"
