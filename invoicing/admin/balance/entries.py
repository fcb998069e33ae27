"""The customer balance in the admin: a ledger that takes inserts only."""

from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, badge, link, moment, money
from core.admin.registry import page_of
from invoicing.models import BalanceEntry


@page_of(BalanceEntry)
class BalanceEntryAdmin(ReadOnlyAdmin):
    list_display = ("when", "customer_link", "what", "amount_moved", "invoice_link", "note_link", "reason_given")
    list_display_links = None
    list_filter = ("kind",)
    list_select_related = ("customer", "invoice", "credit_note")
    search_prefix = ("customer__name", "customer__key")
    search_help_text = "The start of a customer's name or key."
    ordering = ("-id",)
    sortable_by = ()

    @display(description="When")
    def when(self, entry: BalanceEntry) -> SafeString:
        return moment(entry.at)

    @display(description="Customer")
    def customer_link(self, entry: BalanceEntry) -> SafeString:
        return link(entry.customer)

    @display(description="What")
    def what(self, entry: BalanceEntry) -> SafeString:
        return badge(entry.get_kind_display(), "green" if entry.amount > 0 else "blue")

    @display(description="Amount")
    def amount_moved(self, entry: BalanceEntry) -> SafeString:
        return money(entry.amount, entry.currency)

    @display(description="Invoice")
    def invoice_link(self, entry: BalanceEntry) -> SafeString:
        return link(entry.invoice, entry.invoice.number or "Draft") if entry.invoice else EMPTY

    @display(description="Credit note")
    def note_link(self, entry: BalanceEntry) -> SafeString:
        return link(entry.credit_note)

    @display(description="Reason")
    def reason_given(self, entry: BalanceEntry) -> SafeString | str:
        return entry.reason or EMPTY
