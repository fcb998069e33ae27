"""Number series: gapless, one per supplier and kind of document."""

from django.db import models
from django.db.models import Q

from core.db import ULIDField
from core.ids import new_id
from customers.models import Supplier
from invoicing.choices import SeriesKind


class NumberSeries(models.Model):
    """The counter row that issuing locks. `last_issued_at` keeps issue dates from decreasing (billing rules 6)."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    supplier = models.ForeignKey(Supplier, on_delete=models.PROTECT, related_name="number_series")
    kind = models.CharField(max_length=16, choices=SeriesKind.choices)
    prefix = models.CharField(max_length=16, unique=True)
    next_number = models.PositiveBigIntegerField(default=1)
    last_issued_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["prefix"]
        verbose_name_plural = "number series"
        constraints = [
            models.UniqueConstraint(fields=["supplier", "kind"], name="one_series_per_supplier_and_kind"),
            models.CheckConstraint(condition=Q(next_number__gte=1), name="series_counts_from_one"),
        ]

    def __str__(self) -> str:
        return self.prefix


def format_number(prefix: str, sequence: int) -> str:
    """The number of a document, as people read it: `CH-000042`."""
    return f"{prefix}-{sequence:06d}"
