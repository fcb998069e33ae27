"""Credit notes in the admin: documents, read only like the invoices that they take back from."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, day, link, money
from core.admin.registry import page_of
from invoicing.models import CreditNote
from invoicing.rating import read_explanation, readable


@page_of(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    list_display = ("number", "customer_link", "invoice_link", "issued", "why", "total_amount", "to_balance")
    list_filter = ("reason_code",)
    list_select_related = ("customer", "invoice")
    search_exact = ("number", "invoice__number")
    search_prefix = ("customer__name", "customer__key")
    search_help_text = "A number of a credit note or invoice, or the start of a customer's name."
    page_template = "backoffice/credit_note.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditNote]:
        return super().get_queryset(request).select_related("customer", "invoice__customer")

    @display(description="Customer", ordering="customer__name")
    def customer_link(self, note: CreditNote) -> SafeString:
        return link(note.customer)

    @display(description="Of invoice")
    def invoice_link(self, note: CreditNote) -> SafeString:
        return link(note.invoice)

    @display(description="Issued (UTC)", ordering="issued_at")
    def issued(self, note: CreditNote) -> SafeString:
        return day(note.issued_at)

    @display(description="Why")
    def why(self, note: CreditNote) -> SafeString:
        return badge(note.get_reason_code_display(), "blue")

    @display(description="Total", ordering="total")
    def total_amount(self, note: CreditNote) -> SafeString:
        return money(note.total, note.currency)

    @display(description="To the balance")
    def to_balance(self, note: CreditNote) -> SafeString:
        return money(note.moved_to_balance, note.currency, quiet_zero=True)

    def page_context(self, request: HttpRequest, obj: CreditNote) -> dict[str, Any]:
        lines = list(obj.lines.select_related("invoice_line__subscription").order_by("position"))
        for line in lines:
            sentences = None if line.explain is None else readable(read_explanation(line.explain))
            line.explanation = sentences  # type: ignore[attr-defined]
        return {"note": obj, "why": self.why(obj), "lines": lines, "timeline": self.timeline(obj)}
