"""Tax rates: which percentage applies where and when."""

from django.db import models
from django.db.models import F, Q

from core.db import AmountField, Record


class TaxRate(Record):
    """`rate` percent (19 means 19 %) in a country, from `valid_from` (UTC) until `valid_to`; the most specific wins.

    An empty `region` means the whole country, an empty `category` every kind of supply.
    """

    country = models.CharField(max_length=2)
    region = models.CharField(max_length=100, blank=True)
    category = models.CharField(max_length=64, blank=True)
    rate = AmountField()
    name = models.CharField(max_length=100)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["country", "region", "category", "valid_from"]
        constraints = [
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lte=100), name="tax_rate_is_a_percentage"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="tax_rate_ends_after_it_starts",
            ),
            models.UniqueConstraint(
                fields=["country", "region", "category", "valid_from"], name="one_tax_rate_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.rate} %"
