"""Owns invariant 7: the money of every invoice is accounted for (billing rules 11)."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from core.money import ZERO, trimmed
from invoicing.books.examination import INVOICES_AT_ONCE, Examination, Finding, batches, name_customer, name_invoice
from invoicing.choices import DRAFT_STATUSES, OPEN_STATUSES, InvoiceStatus, PaymentStatus
from invoicing.models import Invoice

RESTORE = "Compare the invoice with its payments and the payment provider's record, and correct what is wrong."


def money_is_accounted_for(exam: Examination) -> Iterator[Finding]:
    """total - credited = paid - refunded - moved to balance + from balance + written off + due, with the payments."""
    standard = Invoice.objects.exclude(status=InvoiceStatus.GATHERING)
    for ids in batches(standard, INVOICES_AT_ONCE):
        for invoice in _with_payments(Invoice.objects.filter(pk__in=ids)):
            problem = _problem(invoice)
            if problem:
                customer = invoice.customer
                name = name_customer(customer.name, customer.key, customer.id)
                yield Finding(name_invoice(invoice.number, invoice.id, name), problem, RESTORE)
        exam.count(len(ids))


def _with_payments(invoices: QuerySet[Invoice]) -> QuerySet[Any]:
    succeeded = Q(payments__status=PaymentStatus.SUCCEEDED)
    foreign = ~Q(payments__currency=F("currency"))
    return (
        invoices.select_related("customer")
        .order_by("pk")
        .annotate(
            received=Sum("payments__amount", filter=succeeded, default=ZERO),
            foreign=Count("payments", filter=foreign & Q(payments__isnull=False)),
        )
    )


def _problem(invoice: Any) -> str | None:
    if invoice.foreign:
        return f"{invoice.foreign} of its payments are not in {invoice.currency}."
    if invoice.paid != invoice.received:
        return f"it says that {trimmed(invoice.paid)} is paid; its payments come to {trimmed(invoice.received)}."
    if invoice.status == InvoiceStatus.VOIDED:
        if invoice.due or invoice.paid:
            return f"it is voided, but {trimmed(invoice.due)} is due and {trimmed(invoice.paid)} paid."
        return None
    owed = invoice.total - invoice.credited
    settled = (
        invoice.paid
        - invoice.refunded
        - invoice.moved_to_balance
        + invoice.applied_from_balance
        + invoice.written_off
        + invoice.due
    )
    if owed != settled:
        return f"{trimmed(owed)} was to be settled, but its columns account for {trimmed(settled)}."
    if invoice.status == InvoiceStatus.PAID and invoice.due:
        return f"it is paid, but {trimmed(invoice.due)} is due."
    if invoice.status in OPEN_STATUSES and not invoice.due:
        return f"nothing is due, but it is not paid: {invoice.get_status_display().lower()}."
    if invoice.status in DRAFT_STATUSES and invoice.paid:
        return f"it is a draft, but {trimmed(invoice.paid)} is paid."
    return None
