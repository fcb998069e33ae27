"""Owns how the pages of money verbs show an invoice's sums before and after."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.admin.display import money
from core.admin.verbs import Effect
from core.admin.words import amount_text, joined
from core.money import ZERO
from invoicing.choices import InvoiceStatus
from invoicing.models import Invoice
from invoicing.payments.refundable import balance_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """By how much each sum of an invoice moves, and the status that follows (None: the same)."""

    credited: Decimal = ZERO
    paid: Decimal = ZERO
    from_balance: Decimal = ZERO
    due: Decimal = ZERO
    written_off: Decimal = ZERO
    moved_to_balance: Decimal = ZERO
    refunded: Decimal = ZERO
    balance: Decimal = ZERO
    status: InvoiceStatus | None = None


def effects_of(invoice: Invoice, booking: Booking) -> list[Effect]:
    """The invoice's sums and the customer's balance before and after; a sum that is and stays zero is left out."""
    status = booking.status or InvoiceStatus(invoice.status)
    rows = [
        ("Due", invoice.due, booking.due),
        ("Credited", invoice.credited, booking.credited),
        ("Paid", invoice.paid, booking.paid),
        ("From the balance", invoice.applied_from_balance, booking.from_balance),
        ("Written off", invoice.written_off, booking.written_off),
        ("Refunded", invoice.refunded, booking.refunded),
        ("Moved to the balance", invoice.moved_to_balance, booking.moved_to_balance),
    ]
    if booking.balance:
        rows.append(("Customer's balance", balance_of(invoice.customer_id, invoice.currency), booking.balance))
    return [
        Effect("Status", InvoiceStatus(invoice.status).label, status.label),
        *(
            Effect(label, money(now, invoice.currency), money(now + change, invoice.currency))
            for label, now, change in rows
            if label == "Due" or now or change
        ),
    ]


def due_in_all(invoices: Iterable[Invoice]) -> str:
    """What is due on many invoices, each currency apart, as a sentence; empty for none."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for invoice in invoices:
        sums[invoice.currency] += invoice.due
    texts = [f"{amount_text(amount, currency)} {currency}" for currency, amount in sorted(sums.items())]
    return f"Due on them in all: {joined(texts)}." if texts else ""
