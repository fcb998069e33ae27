"""Payments: one row per attempt to collect, or per receipt that staff record."""

from django.db import models
from django.db.models import Q

from core.db import AmountField, Record
from customers.models import BillingApp
from invoicing.choices import PaymentStatus
from invoicing.models.invoice import Invoice


class Payment(Record):
    """`attempt` counts the automatic charges of an invoice; with the invoice it makes the idempotency key that the
    payment provider sees, so that a repeated attempt can't charge twice. Receipts have no attempt."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    app = models.ForeignKey(BillingApp, on_delete=models.PROTECT, related_name="payments")
    amount = AmountField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, choices=PaymentStatus.choices)
    attempt = models.PositiveSmallIntegerField(null=True, blank=True)
    external_id = models.CharField(max_length=255, null=True, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.TextField(blank=True)
    reference = models.CharField(max_length=255, blank=True)
    received_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "attempt"], name="one_payment_per_attempt"),
            models.UniqueConstraint(
                fields=["app", "external_id"],
                name="external_payment_recorded_once",
                condition=Q(external_id__isnull=False),
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} for {self.invoice}"
