"""Refuses changes in the past that contradict what was billed since (billing rules 10)."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Upper

from core.periods import zone_info
from invoicing.choices import InvoiceStatus, LineKind, WindowKind
from invoicing.errors import ContradictsInvoice
from invoicing.models import BilledWindow, Invoice, InvoiceLine
from subscriptions.models import Subscription


def refuse_contradiction(*, subscription: Subscription, at: datetime, item_keys: Collection[str] | None = None) -> None:
    """ContradictsInvoice, naming the document, where something was billed as if no change had been made at `at` (UTC).
    A change of some items alone (`item_keys`) contradicts what was billed for them only.

    A fee that was billed in advance before `at` is no contradiction: what is unused of it comes back. Nor is a flat fee
    on a draft: the draft is rated again.
    """
    behind = BilledWindow.objects.filter(Q(span__endswith__gt=at) | Q(span__startswith__gte=at, span__upper_inf=True))
    behind = behind.filter(item__subscription=subscription).exclude(kind=WindowKind.WAIVER)
    if item_keys is not None:
        behind = behind.filter(item__key__in=item_keys)
    fees = InvoiceLine.objects.filter(window=OuterRef("pk"), kind=LineKind.FLAT, amends__isnull=True)
    windows = behind.annotate(until=Upper("span"), is_fee=Exists(fees)).select_related("invoice", "item")
    ahead = Exists(fees.filter(invoice_at__lt=OuterRef("until"))) | Q(until__isnull=True)
    windows = windows.exclude(is_fee=True, invoice__issued_at__isnull=True)
    window = windows.exclude(ahead, invoice__issued_at__lte=at).order_by("span").first()
    if window is not None:
        line = window.lines.filter(amends__isnull=True, invoice=window.invoice).first()
        raise ContradictsInvoice(
            document="A period that was closed unreported" if window.invoice is None else _document(window.invoice),
            line=line.name if line is not None else f"item {window.item.running_number} ({window.item.key})",
            span=_span(subscription, window.span.lower, window.span.upper),
            at=f"{at:%Y-%m-%d %H:%M} UTC",
        )
    added = InvoiceLine.objects.filter(
        subscription=subscription,
        amends__isnull=False,
        kind=LineKind.FLAT,
        deleted_at__isnull=True,
        period_end__gt=at,
        invoice__issued_at__gt=at,
    ).exclude(invoice__status=InvoiceStatus.VOIDED)
    if item_keys is not None:
        added = added.filter(item__key__in=item_keys)
    line = added.select_related("invoice").order_by("invoice__issued_at", "id").first()
    if line is not None:
        raise ContradictsInvoice(
            document=_document(line.invoice),
            line=line.name,
            span=_span(subscription, line.period_start, line.period_end),
            at=f"{at:%Y-%m-%d %H:%M} UTC",
        )


def _document(invoice: Invoice) -> str:
    if invoice.number is None:
        return f"A draft of {invoice.created_at:%-d %B %Y}"
    return f"Invoice {invoice.number}, issued on {invoice.issued_at:%-d %B %Y},"


def _span(subscription: Subscription, start: datetime, end: datetime | None) -> str:
    zone = zone_info(subscription.time_zone)
    until = "" if end is None else f" to {end.astimezone(zone):%-d %B %Y}"
    return f"{start.astimezone(zone):%-d %B %Y}{until}"
