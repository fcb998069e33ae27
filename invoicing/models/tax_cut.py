"""What one person alone took off a customer's tax rate, for as long as it adds up with what follows."""

from django.db import models

from core import clock
from core.db import ULIDField
from core.ids import new_id
from customers.models import Customer


class TaxCut(models.Model):
    """The terms by which a customer was taxed until one person lowered the rate, last `at`, in real time.

    Kept are the terms and not the rate: what it is follows from the tax rates, at any time. `tax_code` is the effective
    setting. Where an item's own code was changed, it was `code_before`, and became `code_after`; where the customer's
    terms were, both are empty. Rows older than a year say nothing.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    # The constraint's index begins with it.
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="tax_cuts", db_index=False)
    country = models.CharField(max_length=2, blank=True)
    state = models.CharField(max_length=100, blank=True)
    tax_code = models.CharField(max_length=64, blank=True)
    code_before = models.CharField(max_length=64, blank=True)
    code_after = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(default=clock.real_now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "country", "state", "tax_code", "code_before", "code_after"],
                name="one_tax_cut_from_the_same_terms",
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} until {self.at:%Y-%m-%d}"
