"""Invoices in the admin: the list, and the page with lines, money and frozen terms. Read only everywhere."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import TIMELINE_LENGTH, ReadOnlyAdmin
from core.admin.display import day, link, money
from core.admin.registry import page_of
from core.admin.timeline import TimelineEntry, merge_timeline
from customers.choices import CollectionMethod
from customers.settings_words import SETTING_LABELS, setting_words
from invoicing.admin.drafts.anomaly_words import anomaly_badges
from invoicing.admin.drafts.invoice_verbs import INVOICE_VERBS
from invoicing.admin.lifecycle.invoice_states import InvoiceCurrency, InvoiceState, IssuedIn, state_badge, tone_of
from invoicing.admin.lifecycle.invoice_timeline import timeline_of
from invoicing.admin.payments.collection_verbs import AskProvider
from invoicing.admin.payments.payment_rows import after_dunning, payment_rows, payments_of, step_rows
from invoicing.admin.rating.line_explanation import line_explanation
from invoicing.admin.rating.part_groups import groups_of
from invoicing.choices import InvoiceStatus
from invoicing.gathering.live_totals import show_live
from invoicing.lifecycle.draft_steps import TO_APPROVE
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine, LateUsageCase
from subscriptions.catalog.price_words import discount_words, price_words

LATE_USAGE_AT_ONCE = 20
HOW_PAID = {CollectionMethod.CHARGE_AUTOMATICALLY: "automatically", CollectionMethod.SEND_INVOICE: "by the customer"}


@page_of(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = (
        "document",
        "state",
        "customer_link",
        "issued",
        "due_date",
        "total_amount",
        "due_amount",
        "collected_by",
    )
    list_filter = (InvoiceState, InvoiceCurrency, IssuedIn, "collection_method")
    list_select_related = ("customer",)
    sortable_by = ()
    search_exact = ("number",)
    search_prefix = ("customer__name", "customer__key")
    search_help_text = "An invoice number, or the start of a customer's name or key."
    page_template = "backoffice/invoice.html"
    verbs = INVOICE_VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        return super().get_queryset(request).select_related("customer", "supplier", "app", "profile", "run", "replaces")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        changes.result_list = list(changes.result_list)
        show_live(changes.result_list)
        return changes

    @display(description="Invoice")
    def document(self, invoice: Invoice) -> str:
        return invoice.number or ("Gathering" if invoice.status == InvoiceStatus.GATHERING else "Draft")

    @display(description="Status")
    def state(self, invoice: Invoice) -> SafeString:
        return state_badge(invoice)

    @display(description="Customer", ordering="customer__name")
    def customer_link(self, invoice: Invoice) -> SafeString:
        return link(invoice.customer)

    @display(description="Issued (UTC)", ordering="issued_at")
    def issued(self, invoice: Invoice) -> SafeString:
        return day(invoice.issued_at)

    @display(description="Due (UTC)", ordering="due_at")
    def due_date(self, invoice: Invoice) -> SafeString:
        return day(invoice.due_at)

    @display(description="Total", ordering="total")
    def total_amount(self, invoice: Invoice) -> SafeString:
        return money(invoice.total, invoice.currency)

    @display(description="Still due", ordering="due")
    def due_amount(self, invoice: Invoice) -> SafeString:
        return money(invoice.due, invoice.currency, quiet_zero=True)

    @display(description="Paid")
    def collected_by(self, invoice: Invoice) -> str:
        return HOW_PAID.get(CollectionMethod(invoice.collection_method), "–") if invoice.collection_method else "–"

    def timeline_entries(self, obj: Invoice) -> list[TimelineEntry]:
        return timeline_of(obj, payments_of(obj), obj.credit_notes.all())

    def page_context(self, request: HttpRequest, obj: Invoice) -> dict[str, Any]:
        live = obj.status == InvoiceStatus.GATHERING
        lines = lines_of(obj)
        if live:
            obj.__dict__["shown_lines"] = lines
            show_live([obj])
        groups = groups_of(lines)
        shown: set[Any] = set()
        for line in lines:
            group = groups.get(line.parent_id)
            line.explanation = line_explanation(line, live=live, group=group)
            # Above its first part on the page.
            line.group = group if line.parent_id not in shown else None
            shown.add(line.parent_id)
        payments = payments_of(obj)
        steps, notes = step_rows(obj, payments), list(obj.credit_notes.all())
        entries = self.timeline(obj)
        return {
            "invoice": obj,
            "document": self.document(obj),
            "state": state_badge(obj),
            "note_tone": "red" if tone_of(InvoiceStatus(obj.status)) == "red" else "amber",
            "lines": lines,
            "live": live,
            "anomalies": anomaly_badges(obj) if obj.status in TO_APPROVE else [],
            "payments": payment_rows(payments),
            "ask_url": self.verb_url(request, obj, AskProvider()),
            "dunning": steps,
            "dunning_ends": after_dunning(obj, steps),
            "credit_notes": notes,
            "replaced_by": list(obj.replaced_by.exclude(status=InvoiceStatus.DELETED).order_by("id")),
            "late_usage": late_usage_of(lines),
            "money_rows": money_rows(obj),
            "terms": terms_rows(obj),
            "timeline": merge_timeline(
                entries,
                timeline_of(obj, payments, notes),
                is_first=True,
                is_last=len(entries) < TIMELINE_LENGTH,
            ),
        }


def late_usage_of(lines: Sequence[InvoiceLine]) -> list[LateUsageCase]:
    """The cases of what came late for the windows that these lines bill, or that they bill themselves. One query."""
    windows = {line.window_id for line in lines if line.window_id is not None}
    return list(LateUsageCase.objects.filter(window_id__in=windows).order_by("-id")[:LATE_USAGE_AT_ONCE])


def lines_of(invoice: Invoice) -> list[Any]:
    """The lines with their detailed lines and prices in words, times in the subscription's zone. Two queries."""
    details = InvoiceDetailedLine.objects.order_by("position")
    lines: list[Any] = list(
        InvoiceLine.objects.counted()
        .filter(invoice=invoice)
        .select_related("subscription", "item", "revision", "amends__invoice")
        .order_by("position", "id")
        .prefetch_related(Prefetch("detailed_lines", details))
    )
    for line in lines:
        line.zone = line.subscription.time_zone if line.subscription else "UTC"
        cadence = line.revision.billing_cadence if line.revision else None
        line.shown_details = list(line.detailed_lines.all())
        line.words = price_words(line.price, line.currency, cadence) if line.price else ""
        line.discount = discount_words(line.discounts)
    return lines


def money_rows(invoice: Invoice) -> list[tuple[str, Any, bool]]:
    """The identity of billing rules 11 as label, amount and whether it is shown at zero too."""
    rows: list[tuple[str, Any, bool]] = [
        ("Total", invoice.total, True),
        ("Credited", -invoice.credited, False),
        ("Paid", -invoice.paid, True),
        ("Refunded", invoice.refunded, False),
        ("Moved to the balance", invoice.moved_to_balance, False),
        ("From the balance", -invoice.applied_from_balance, False),
        ("Written off", -invoice.written_off, False),
        ("Due", invoice.due, True),
    ]
    return [row for row in rows if row[2] or row[1]]


def terms_rows(invoice: Invoice) -> list[tuple[str, str, str]]:
    """The settings that the invoice froze when it was created, in words, each with its origin."""
    frozen = invoice.workflow_snapshot
    values, origins = frozen.get("values", {}), frozen.get("origins", {})
    return [
        (label, setting_words(field, values[field]), origins.get(field) or "")
        for field, label in SETTING_LABELS.items()
        if values.get(field) not in (None, "")
    ]
