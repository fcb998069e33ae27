"""The customer balance: gross money that a customer has with us (billing rules 3), as a ledger of its own."""

from django.db import models
from django.db.models import Q

from core import clock
from core.db import AmountField, ULIDField
from core.ids import new_id
from customers.models import Customer
from invoicing.choices import BalanceKind
from invoicing.models.credit_note import CreditNote
from invoicing.models.invoice import Invoice
from invoicing.models.payment import Payment, Refund


class BalanceEntry(models.Model):
    """One movement: positive adds to the balance, negative uses it. The sum is the balance. Rows are only ever added.

    Write it behind the customer's lock, so that no balance is used twice.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="balance_entries")
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=16, choices=BalanceKind.choices)
    amount = AmountField()
    at = models.DateTimeField(default=clock.now)
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="balance_entries"
    )
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, null=True, blank=True, related_name="balance_entries"
    )
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="balance_entries"
    )
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="balance_entries")
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["customer", "currency", "at", "id"]
        verbose_name_plural = "balance entries"
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="balance_entry_moves_something")]
        indexes = [models.Index(fields=["customer", "currency", "at"], name="balance_of_customer")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} ({self.get_kind_display()})"
