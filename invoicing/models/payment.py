"""Payments and refunds: one row per attempt to collect, per receipt that staff record, per return of money."""

from django.db import models
from django.db.models import F, Q

from core.db import AmountField, Record
from core.money import round_money, to_wire
from customers.models import BillingApp
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.models.invoice import Invoice


class Payment(Record):
    """`attempt` counts the automatic charges of an invoice; with the invoice it makes the idempotency key that the
    payment provider sees, so that a repeated attempt can't charge twice. Receipts have no attempt.

    `to_balance` is how much of it was more than the invoice owed: it went to the customer's balance. `sent_at`,
    `provider_state_at` and `next_check_at` are in real time, whatever the test clock says: providers know no other.
    """

    # The index of its attempts begins with the invoice.
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="payments"
    )
    app = models.ForeignKey(BillingApp, on_delete=models.PROTECT, db_constraint=False, related_name="payments")
    amount = AmountField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, choices=PaymentStatus.choices)
    attempt = models.PositiveSmallIntegerField(null=True, blank=True)
    external_id = models.CharField(max_length=255, null=True, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.TextField(blank=True)
    customer_at_app = models.CharField(max_length=255, blank=True)  # whom the provider was asked to charge
    # As long as banks write one (390 characters in MT940): what is cut off may be what tells two payments apart.
    reference = models.CharField(max_length=500, blank=True)
    received_at = models.DateTimeField(null=True, blank=True)
    to_balance = AmountField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)  # when the request was about to leave for the provider
    provider_state_at = models.DateTimeField(null=True, blank=True)  # the provider's time of the state we know
    next_check_at = models.DateTimeField(null=True, blank=True)  # when to ask the provider what became of it
    checks = models.PositiveSmallIntegerField(default=0)
    to_cancel = models.BooleanField(default=False)  # staff want another try: this one is cancelled at the provider

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "attempt"], name="one_payment_per_attempt"),
            # Charges only: banks give one id to all parts of a collective transfer.
            models.UniqueConstraint(
                fields=["app", "external_id"],
                name="external_charge_recorded_once",
                condition=Q(attempt__isnull=False, external_id__isnull=False),
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_is_positive"),
            models.CheckConstraint(
                condition=Q(to_balance=0) | Q(to_balance__gt=0, to_balance__lte=F("amount")),
                name="payment_to_balance_is_part_of_it",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="payment_by_time"),
            models.Index(fields=["next_check_at"], name="payment_to_check", condition=Q(next_check_at__isnull=False)),
            # The list shows those without a final outcome apart: few of very many.
            models.Index(
                fields=["-id"],
                name="payment_open",
                condition=Q(status__in=[PaymentStatus.PENDING, PaymentStatus.UNKNOWN, PaymentStatus.ACTION_REQUIRED]),
            ),
            # What could never be charged: few of very many, looked through again and again.
            models.Index(
                fields=["invoice"],
                name="payment_never_charged",
                condition=Q(failure_code__in=["amount_not_chargeable", "amount_too_large", "amount_too_small"]),
            ),
            models.Index(fields=["reference"], name="payment_by_reference", condition=~Q(reference="")),
            models.Index(fields=["external_id"], name="payment_by_external_id", condition=Q(external_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{to_wire(round_money(self.amount, self.currency))} {self.currency} for {self.invoice}"


class Refund(Record):
    """Money given back to the method that `payment` came by (billing rules 11).

    `from_balance` of it was taken from what the invoice had moved to the customer's balance. The rest, only where the
    money was given back at the provider without our knowing first, is due again. Its id is the idempotency key.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="refunds")
    amount = AmountField()
    from_balance = AmountField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, choices=RefundStatus.choices)
    reason = models.TextField(blank=True)
    reference = models.CharField(max_length=255, blank=True)
    external_id = models.CharField(max_length=255, null=True, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.TextField(blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)  # in real time, like a payment's
    checks = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_is_positive"),
            models.CheckConstraint(
                condition=Q(from_balance__gte=0, from_balance__lte=F("amount")),
                name="refund_from_balance_is_part_of_it",
            ),
            models.UniqueConstraint(
                fields=["payment", "external_id"],
                name="external_refund_recorded_once",
                condition=Q(external_id__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], name="refund_to_check", condition=Q(next_check_at__isnull=False)),
            models.Index(fields=["external_id"], name="refund_by_external_id", condition=Q(external_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"refund of {to_wire(round_money(self.amount, self.currency))} {self.currency} for {self.invoice}"
