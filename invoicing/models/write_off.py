"""Write-offs: what was given up on an invoice, and what came in of it after all."""

from django.db import models
from django.db.models import Q

from core import clock
from core.db import AmountField, ULIDField
from core.ids import new_id
from invoicing.models.invoice import Invoice
from invoicing.models.payment import Payment


class WriteOff(models.Model):
    """Positive: given up. Negative: recovered by `payment`, or without one credited. The sum is the invoice's
    `written_off`; rows are only ever added."""

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="write_offs")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="recoveries")
    amount = AmountField()
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="write_off_moves_something")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} of {self.invoice}"
