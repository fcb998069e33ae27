"""Payments in the admin: every attempt to collect and every receipt, read only."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, day, link, money
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from invoicing.admin.payments.collection_verbs import AskProvider
from invoicing.admin.payments.payment_rows import payment_rows, state_of, way_of
from invoicing.choices import IN_FLIGHT, PaymentStatus
from invoicing.models import BankStatementRow, Payment
from invoicing.payments.ask_provider import OPEN_CHARGES

LATEST_EVENTS = 20


class PaymentState(ChoiceFilter):
    """By what came of them; "open" are those without a final outcome."""

    title = "State"
    parameter_name = "state"
    choices_of = (("succeeded", "Succeeded"), ("failed", "Failed"), ("open", "Open"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "open":
            return queryset.filter(status__in=[*IN_FLIGHT, PaymentStatus.ACTION_REQUIRED])
        return queryset.filter(status=self.value()) if self.value() else queryset


@page_of(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("made", "invoice_link", "customer_link", "amount_paid", "state", "way", "what_happened")
    list_display_links = ("made",)
    list_filter = (PaymentState, "app")
    list_select_related = ("invoice__customer", "app")
    search_exact = ("external_id", "reference", "invoice__number")
    search_help_text = "An invoice number, a reference or the provider's id, exactly."
    ordering = ("-id",)
    sortable_by = ()
    page_template = "backoffice/payment.html"

    @display(description="Made (UTC)")
    def made(self, payment: Payment) -> SafeString:
        return day(payment.created_at)

    @display(description="Invoice")
    def invoice_link(self, payment: Payment) -> SafeString:
        return link(payment.invoice)

    @display(description="Customer")
    def customer_link(self, payment: Payment) -> SafeString:
        return link(payment.invoice.customer)

    @display(description="Amount")
    def amount_paid(self, payment: Payment) -> SafeString:
        return money(payment.amount, payment.currency)

    @display(description="Status")
    def state(self, payment: Payment) -> SafeString:
        return state_of(payment)

    @display(description="By")
    def way(self, payment: Payment) -> str:
        return way_of(payment)

    @display(description="What happened")
    def what_happened(self, payment: Payment) -> SafeString | str:
        return payment.failure_message or payment.reference or EMPTY

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        return super().get_queryset(request).select_related("invoice__customer", "app__stripe_account")

    def page_context(self, request: HttpRequest, obj: Payment) -> dict[str, Any]:
        row, *refunds = payment_rows([obj])
        return {
            "title": f"Payment of {obj}",
            "payment": obj,
            "state": row.state,
            "way": self.way(obj),
            "row": row,
            "refunds": refunds,
            "ask_url": self._ask_url(request, obj),
            "events": list(obj.provider_events.all()[:LATEST_EVENTS]),
            "statement_row": BankStatementRow.objects.select_related("statement").filter(payment=obj).first(),
        }

    def _ask_url(self, request: HttpRequest, payment: Payment) -> str:
        """Where the provider is asked what became of it; empty where nothing is open or this user may not."""
        verb = AskProvider()
        if payment.status not in OPEN_CHARGES or not verb.allowed(request) or not verb.shows(payment.invoice):
            return ""
        return reverse("admin:invoicing_invoice_verb", args=[payment.invoice_id, verb.slug])
