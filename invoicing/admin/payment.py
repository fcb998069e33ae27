"""Payments in the admin: every attempt to collect and every receipt, read only."""

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, badge, link, moment, money
from invoicing.choices import PaymentStatus
from invoicing.models import Payment

PAYMENT_TONES = {
    PaymentStatus.PENDING: "blue",
    PaymentStatus.SUCCEEDED: "green",
    PaymentStatus.FAILED: "red",
    PaymentStatus.ACTION_REQUIRED: "amber",
    PaymentStatus.UNKNOWN: "amber",
}


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
        "received", "failure_code", "failure_message", "made",
    )  # fmt: skip
    readonly_fields = ("invoice_link", "customer_link", "amount_paid", "state", "way", "received", "made")

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
        return badge(payment.get_status_display(), PAYMENT_TONES[PaymentStatus(payment.status)])

    @display(description="By")
    def way(self, payment: Payment) -> str:
        return f"{payment.app}, attempt {payment.attempt}" if payment.attempt else f"{payment.app}, receipt"

    @display(description="Received")
    def received(self, payment: Payment) -> SafeString:
        return moment(payment.received_at)

    @display(description="What happened")
    def what_happened(self, payment: Payment) -> SafeString | str:
        return payment.failure_message or payment.reference or EMPTY
