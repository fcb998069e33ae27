"""The closed lists of words that meters and entitlements use."""

from django.db import models


class Aggregation(models.TextChoices):
    SUM = "SUM", "Sum"
    COUNT = "COUNT", "Count"
    UNIQUE_COUNT = "UNIQUE_COUNT", "Unique count"
    AVG = "AVG", "Average"
    MIN = "MIN", "Minimum"
    MAX = "MAX", "Maximum"
    LATEST = "LATEST", "Latest"


class EntitlementType(models.TextChoices):
    METERED = "metered", "Metered"
    STATIC = "static", "Static"
    BOOLEAN = "boolean", "Boolean"
