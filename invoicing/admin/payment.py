"""Payments in the admin: every attempt to collect and every receipt, read only."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, link, moment, money
from invoicing.admin.payment_rows import provider_url, state_of
from invoicing.models import Payment


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("made", "invoice_link", "customer_link", "amount_paid", "state", "way", "what_happened")
    list_display_links = ("made",)
    list_filter = ("status", "app")
    list_select_related = ("invoice__customer", "app")
    search_exact = ("external_id", "reference", "invoice__number")
    search_help_text = "An invoice number, a reference or the provider's id, exactly."
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "invoice_link", "customer_link", "amount_paid", "state", "way", "attempt", "external_id", "reference",
        "at_provider", "received", "failure_code", "failure_message", "made",
    )  # fmt: skip
    readonly_fields = (
        "invoice_link", "customer_link", "amount_paid", "state", "way", "at_provider", "received", "made",
    )  # fmt: skip

    @display(description="Made")
    def made(self, payment: Payment) -> SafeString:
        return moment(payment.created_at)

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
        return f"{payment.app}, attempt {payment.attempt}" if payment.attempt else f"{payment.app}, receipt"

    @display(description="At the provider")
    def at_provider(self, payment: Payment) -> SafeString:
        url = provider_url(payment)
        if not url:
            return EMPTY
        return format_html('<a class="ch-link" href="{}" target="_blank" rel="noopener noreferrer">Open</a>', url)

    @display(description="Received")
    def received(self, payment: Payment) -> SafeString:
        return moment(payment.received_at)

    @display(description="What happened")
    def what_happened(self, payment: Payment) -> SafeString | str:
        return payment.failure_message or payment.reference or EMPTY
