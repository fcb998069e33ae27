"""Reads of invoices."""

from datetime import timedelta

from django.db.models import F, Prefetch, QuerySet

from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine

DUE_SOON = timedelta(days=7)


def invoices_for_display(*, lines: bool, deleted_lines: bool = False) -> QuerySet[Invoice]:
    """All invoices with their app; with `lines`, each has `shown_lines`, and each of those `shown_details`.

    One query, three with lines, for any number of invoices. What gathering invoices come to is not stored: see
    `invoicing.gathering.live_totals`.
    """
    invoices = Invoice.objects.select_related("app__stripe_account")
    if not lines:
        return invoices
    shown = InvoiceLine.objects.annotate(phase_id=F("revision__phase_id")).order_by("position", "period_start", "id")
    if not deleted_lines:
        shown = shown.filter(deleted_at=None)
    details = Prefetch("detailed_lines", InvoiceDetailedLine.objects.order_by("position"), to_attr="shown_details")
    return invoices.prefetch_related(Prefetch("lines", shown.prefetch_related(details), to_attr="shown_lines"))
