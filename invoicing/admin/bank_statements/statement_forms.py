"""The forms of bank statements: the file to import, and what is to happen with one row."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from core.admin.words import amount_text, counted
from customers.choices import AppType
from customers.models import BillingApp
from invoicing.choices import MatchStatus, RowDecision
from invoicing.models import BankStatementRow, Invoice

MAX_BYTES = 5_000_000
FOUND_PER_PAGE = 20


def invoice_words(invoice: Invoice) -> str:
    """An invoice as it is chosen from a list: number, customer, and what it owes."""
    owed = f"{amount_text(invoice.due, invoice.currency)} {invoice.currency} due"
    return f"{invoice} · {invoice.customer} · {owed if invoice.due else invoice.get_status_display().lower()}"


class InvoiceField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return invoice_words(obj)


class InvoiceWidget(AutocompleteSelect):
    """Finds the invoices that a row could pay, as staff type."""

    def __init__(self, row: BankStatementRow) -> None:
        super().__init__(BankStatementRow._meta.get_field("invoice"), admin.site)
        self.row = row

    def get_url(self) -> str:
        return reverse("admin:invoicing_bankstatement_invoices", args=[self.row.statement_id, self.row.pk])


class ImportForm(forms.Form):
    """A file of the bank, and the account that it is of."""

    app = forms.ModelChoiceField(
        label="Account",
        queryset=BillingApp.objects.filter(type=AppType.BANK_TRANSFER, deleted_at__isnull=True),
        widget=UnfoldAdminSelectWidget,
        empty_label=None,
        help_text="The bank transfer app that the customers pay to.",
    )
    file = forms.FileField(
        label="CSV file", widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv,text/plain"})
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(
                f"The file has {counted(file.size, 'byte')}; at most {MAX_BYTES:,} are read. Nothing was imported."
            )
        return file


class RowForm(forms.Form):
    """What is to happen with a row, and the invoice that it pays."""

    decision = forms.ChoiceField(
        label="What is to happen with it",
        choices=(
            (RowDecision.BOOK, "Book it on the invoice below"),
            (RowDecision.SKIP, "Leave it out: it pays no invoice of ours"),
            (RowDecision.OPEN, "Decide later"),
        ),
        widget=UnfoldAdminRadioSelectWidget,
    )

    def __init__(self, data: Any, *, row: BankStatementRow, invoices: QuerySet[Invoice]) -> None:
        first = RowDecision.BOOK if row.decision == RowDecision.OPEN else row.decision
        super().__init__(data, initial={"decision": first, "invoice": row.invoice})
        self.fields["invoice"] = InvoiceField(
            label="Invoice",
            required=False,
            queryset=invoices,
            widget=InvoiceWidget(row),
            help_text="Type a number, the start of a customer's name or key, or an amount that is due.",
        )
        if row.match == MatchStatus.DUPLICATE:
            self.fields["reason"] = forms.CharField(
                label="Why it is another payment",
                required=False,
                max_length=1000,
                widget=UnfoldAdminTextInputWidget,
                help_text="It seems to be booked already. Asked for to book it all the same.",
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("decision") == RowDecision.BOOK and not cleaned.get("invoice") and "invoice" not in self.errors:
            self.add_error("invoice", "Choose the invoice that the money is for.")
        if cleaned.get("decision") == RowDecision.BOOK and "reason" in self.fields and not cleaned.get("reason"):
            self.add_error("reason", "Say why it is another payment.")
        return cleaned
