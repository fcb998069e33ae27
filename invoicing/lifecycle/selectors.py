"""Reads of invoices."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery

from invoicing.choices import InvoiceStatus
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine

DUE_SOON = timedelta(days=7)


def issuers_of(customer_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """The suppliers of all invoices of these customers, drafts and issued ones: whoever has issued a document to them,
    or may credit one, but for whoever bills them next. One query."""
    theirs = Invoice.objects.filter(customer_id__in=customer_ids, supplier__isnull=False).order_by()
    return set(theirs.values_list("supplier_id", flat=True).distinct())


def invoices_for_display(*, lines: bool, deleted_lines: bool = False) -> QuerySet[Invoice]:
    """All invoices with their app and what they replace; `replacement_id` and `replacement_number` are those of the one
    that replaces them. With `lines`, each has `shown_lines`, and each of those `shown_details`.

    One query, three with lines, for any number of invoices. What gathering invoices come to is not stored: see
    `invoicing.gathering.live_totals`.
    """
    later = Invoice.objects.filter(replaces=OuterRef("pk")).exclude(status=InvoiceStatus.DELETED).order_by("-id")
    invoices = Invoice.objects.select_related("app__stripe_account", "replaces").annotate(
        replacement_id=Subquery(later.values("id")[:1]), replacement_number=Subquery(later.values("number")[:1])
    )
    if not lines:
        return invoices
    shown = InvoiceLine.objects.annotate(phase_id=F("revision__phase_id")).order_by("position", "period_start", "id")
    if not deleted_lines:
        shown = shown.filter(deleted_at=None)
    details = Prefetch("detailed_lines", InvoiceDetailedLine.objects.order_by("position"), to_attr="shown_details")
    return invoices.prefetch_related(Prefetch("lines", shown.prefetch_related(details), to_attr="shown_lines"))
