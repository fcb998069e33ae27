"""Reads how much of an invoice can be given back to the method that it was paid by."""

import uuid
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from core.money import ZERO
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.models import BalanceEntry, Invoice, Payment, Refund


def balance_of(customer_id: uuid.UUID, currency: str) -> Decimal:
    """What is on the customer's balance in `currency`. One query."""
    entries = BalanceEntry.objects.filter(customer=customer_id, currency=currency)
    found: Decimal | None = entries.aggregate(left=Sum("amount"))["left"]
    return found if found is not None else ZERO


def on_balance(invoice: Invoice) -> Decimal:
    """How much of what `invoice` moved to the customer's balance is still there. One query at most."""
    if invoice.moved_to_balance <= 0:
        return ZERO
    moved: Decimal = invoice.moved_to_balance
    return max(ZERO, min(balance_of(invoice.customer_id, invoice.currency), moved))


def payments_to_refund(invoice: Invoice) -> QuerySet[Any]:
    """What was received for `invoice`, the newest first, each with what is `left` of it to give back."""
    given_back = (
        Refund.objects.filter(payment=OuterRef("pk"))
        .exclude(status=RefundStatus.FAILED)
        .order_by()
        .values("payment")
        .annotate(sum=Sum("amount"))
        .values("sum")
    )
    left = F("amount") - Coalesce(Subquery(given_back), ZERO, output_field=DecimalField())
    received = Payment.objects.filter(invoice=invoice, status=PaymentStatus.SUCCEEDED).select_related("app")
    return received.annotate(left=left).order_by("-received_at", "-id")


def refundable(invoice: Invoice) -> Decimal:
    """The largest refund that `invoice` allows at once: what it moved to the balance, is still there, and came in by
    one payment. Zero where there is none. Two queries at most."""
    most = on_balance(invoice)
    if most <= 0:
        return ZERO
    lefts = payments_to_refund(invoice).values_list("left", flat=True)
    return max(ZERO, min(most, max(lefts, default=ZERO)))
