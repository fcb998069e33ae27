"""The supplier: the legal entity that issues invoices."""

from django.db import models

from core.db import Record
from customers.models.address import Addressed


class Supplier(Addressed, Record):
    """Shared by billing profiles. Its two prefixes name its number series (billing rules 6)."""

    key = models.CharField(max_length=64, null=True, blank=True, unique=True)
    name = models.CharField(max_length=256)
    tax_id = models.CharField(max_length=64, blank=True)
    email = models.EmailField(blank=True)
    invoice_prefix = models.CharField(max_length=16, unique=True)
    credit_note_prefix = models.CharField(max_length=16, unique=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(invoice_prefix=models.F("credit_note_prefix")),
                name="supplier_prefixes_differ",
                violation_error_message="Invoices and credit notes need different prefixes.",
            )
        ]

    def __str__(self) -> str:
        return self.name
