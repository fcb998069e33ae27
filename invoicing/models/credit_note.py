"""Credit notes: documents that take back what an issued invoice charged."""

from django.db import models
from django.db.models import F, Q

from core.db import AmountField, Record, ULIDField
from core.ids import new_id
from customers.models import Customer
from invoicing.choices import CreditReason
from invoicing.models.invoice import Invoice, zero_amount
from invoicing.models.line import InvoiceLine
from invoicing.models.series import NumberSeries


class CreditNote(Record):
    """Takes back `total` (gross) of `invoice`, at the original lines' tax (billing rules 6). Rows are only ever added.

    What was still due on the invoice, or written off there, is owed no more (`reduced_due`); the rest goes to the
    customer's balance (`moved_to_balance`).
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    currency = models.CharField(max_length=3)
    series = models.ForeignKey(NumberSeries, on_delete=models.PROTECT, related_name="credit_notes")
    sequence = models.PositiveBigIntegerField()
    number = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField()
    reason_code = models.CharField(max_length=32, choices=CreditReason.choices)
    reason = models.TextField(blank=True)
    amount = zero_amount()
    taxes_total = zero_amount()
    total = zero_amount()
    reduced_due = zero_amount()
    moved_to_balance = zero_amount()

    class Meta:
        ordering = ["-issued_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "sequence"], name="one_credit_note_number_per_series"),
            models.CheckConstraint(condition=Q(total__gt=0), name="credit_note_is_positive"),
            models.CheckConstraint(
                condition=Q(total=F("reduced_due") + F("moved_to_balance")), name="credit_note_goes_somewhere"
            ),
        ]
        indexes = [
            models.Index(fields=["-issued_at", "-id"], name="credit_note_by_time"),
            models.Index(fields=["customer", "-issued_at"], name="credit_note_of_customer"),
        ]

    def __str__(self) -> str:
        return self.number


class CreditNoteLine(models.Model):
    """How much of one invoice line is taken back: `amount` net, `total` with the original line's tax.

    `explain` holds everything that the amount can be recomputed from; notes from before it was kept have none.
    """

    id = ULIDField(primary_key=True, default=new_id, editable=False)
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    invoice_line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credit_note_lines")
    position = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=256)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    tax_rate = AmountField(null=True, blank=True)
    amount = zero_amount()
    taxes_total = zero_amount()
    total = zero_amount()
    explain = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["credit_note", "position"]

    def __str__(self) -> str:
        return self.name
