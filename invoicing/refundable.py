"""Reads how much of an invoice can be given back to the method that it was paid by."""

from decimal import Decimal

from django.db.models import DecimalField, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from core.money import ZERO
from customers.models import Customer
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.models import BalanceEntry, Invoice, Payment, Refund


def balance_of(customer: Customer, currency: str) -> Decimal:
    """What is on the customer's balance in `currency`. One query."""
    found = BalanceEntry.objects.filter(customer=customer, currency=currency).aggregate(left=Sum("amount"))["left"]
    return found if found is not None else ZERO


def refundable(invoice: Invoice) -> Decimal:
    """The largest refund that `invoice` allows at once: what it moved to the balance, is still there, and came in by
    one payment. Zero where there is none. Two queries at most."""
    if invoice.moved_to_balance <= 0:
        return ZERO
    on_balance = min(balance_of(invoice.customer, invoice.currency), invoice.moved_to_balance)
    if on_balance <= 0:
        return ZERO
    given_back = (
        Refund.objects.filter(payment=OuterRef("pk"))
        .exclude(status=RefundStatus.FAILED)
        .order_by()
        .values("payment")
        .annotate(sum=Sum("amount"))
        .values("sum")
    )
    received = Payment.objects.filter(invoice=invoice, status=PaymentStatus.SUCCEEDED).annotate(
        left=F("amount") - Coalesce(Subquery(given_back), ZERO, output_field=DecimalField())
    )
    most = max(received.values_list("left", flat=True), default=ZERO)
    return max(ZERO, min(on_balance, most))
