"""The closed lists of words that meters use."""

from django.db import models


class Aggregation(models.TextChoices):
    SUM = "SUM", "Sum"
    COUNT = "COUNT", "Count"
    UNIQUE_COUNT = "UNIQUE_COUNT", "Unique count"
    AVG = "AVG", "Average"
    MIN = "MIN", "Minimum"
    MAX = "MAX", "Maximum"
    LATEST = "LATEST", "Latest"
