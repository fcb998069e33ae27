"""What staff set by hand on a line of a draft."""

from django.db import models

from core.db import AmountField, Record
from invoicing.models.line import InvoiceLine


class LineEdit(Record):
    """A quantity or discounts, as on the wire, that count instead of what was computed (null: what was computed does).

    A fact about the draft's line, which every recalculation of it reads; the line's explanation keeps what was
    computed, and `metered_quantity` what was used. The last word counts; the audit trail has all of them.
    """

    line = models.OneToOneField(InvoiceLine, on_delete=models.CASCADE, related_name="edit")
    quantity = AmountField(null=True, blank=True)
    discounts = models.JSONField(null=True, blank=True)
    author = models.CharField(max_length=200)
    reason = models.CharField(max_length=1000)

    class Meta:
        ordering = ["line"]

    def __str__(self) -> str:
        return f"{self.line} by {self.author}"
