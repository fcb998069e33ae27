"""The closed lists of words that plans and subscriptions use."""

from django.db import models


class RateCardType(models.TextChoices):
    FLAT_FEE = "flat_fee", "Flat fee"
    USAGE_BASED = "usage_based", "Usage based"


class PlanStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    SCHEDULED = "scheduled", "Scheduled"
    ACTIVE = "active", "Active"
    ARCHIVED = "archived", "Archived"


class InstanceType(models.TextChoices):
    """Whether an add-on can be bought once, or in any quantity."""

    SINGLE = "single", "Single"
    MULTIPLE = "multiple", "Multiple"


class SubscriptionStatus(models.TextChoices):
    SCHEDULED = "scheduled", "Scheduled"
    ACTIVE = "active", "Active"
    CANCELED = "canceled", "Canceled"
    INACTIVE = "inactive", "Inactive"


class UpdateAction(models.TextChoices):
    """Kept for the record only: it has no effect on amounts (billing rules 4)."""

    UPDATE = "update", "Update"
    UPGRADE = "upgrade", "Upgrade"
    DOWNGRADE = "downgrade", "Downgrade"


class UsageOnChange(models.TextChoices):
    """What becomes of the current period's usage when the plan is changed (billing rules 9 and 10)."""

    PRESERVE = "preserve", "Preserve"
    RESET = "reset", "Reset"
