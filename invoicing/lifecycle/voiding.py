"""Owns which issued invoices can be voided, as far as their own sums say (billing rules 6). No query."""

from core.admin.words import money_text
from invoicing.choices import InvoiceStatus
from invoicing.models import Invoice

UNDER_WAY = "A charge of it is under way: wait for its outcome, or ask the provider."
INSTEAD = "credit it instead; with the credit, what was paid is refunded or goes to the customer's balance"


def why_not_by_sums(invoice: Invoice) -> str:
    """Why `invoice` can't be voided by what its row says, and the way instead; "" where it may be.

    Only what is issued is voided, and only while nothing is paid, credited or given up. A charge without a known end,
    and what other invoices give back of it, forbid it, too: see `invoicing.issued.void_invoice`.
    """
    if invoice.status == InvoiceStatus.GATHERING:
        return "Nothing of it is invoiced yet."
    if invoice.status in (InvoiceStatus.VOIDED, InvoiceStatus.DELETED):
        return f"It is {invoice.get_status_display().lower()} already."
    if invoice.issued_at is None:
        return "It is a draft: delete it."
    if invoice.credited:
        if invoice.credited >= invoice.total:
            return "It is credited as a whole."
        return f"{money_text(invoice.credited, invoice.currency)} of it is credited: credit the rest."
    if invoice.paid > 0:
        return f"{money_text(invoice.paid, invoice.currency)} of it is paid: {INSTEAD}."
    if invoice.status == InvoiceStatus.PAID:
        return f"It is settled: {INSTEAD}." if invoice.total else "It comes to nothing, and is settled."
    if invoice.status == InvoiceStatus.PAYMENT_PENDING:
        return UNDER_WAY
    if invoice.status == InvoiceStatus.UNCOLLECTIBLE:
        return "It is given up: credit it instead, so that nothing is owed."
    return ""
