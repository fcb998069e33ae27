"""Tax rates in the admin. A rate that has begun is ended, never changed: invoices were made with it."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ChangeReasonForm, MasterDataAdmin
from core.admin.choosers import CountryField
from core.admin.display import day
from core.admin.registry import page_of
from core.admin.words import moment_text, quantity_text
from invoicing.models import TaxRate
from invoicing.tax_guards.rate_changes import noticing_lost_rates


class TaxRateForm(ChangeReasonForm):
    country = CountryField(none="Choose a country")

    class Meta:
        model = TaxRate
        fields = ("name", "country", "region", "category", "rate", "valid_from", "valid_to")
        labels = {"rate": "Rate in percent"}
        help_texts = {
            "region": "Empty: the whole country.",
            "category": "Empty: every kind of supply.",
            "rate": "19 means 19 %. Much lower than before, or none, a second person approves it.",
            "valid_from": "A lower rate for time that has begun is approved by a second person.",
            "valid_to": "Empty: until another rate begins. Where none follows, a second person approves the end.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        rate, ends = cleaned.get("rate"), cleaned.get("valid_to")
        begins = cleaned.get("valid_from") or self.instance.valid_from
        if rate is not None and not 0 <= rate <= 100:
            self.add_error("rate", "A tax rate is from 0 to 100 percent.")
        if begins and ends and ends <= begins:
            self.add_error("valid_to", f"It begins on {moment_text(begins)} UTC, and ends only after that.")
        return cleaned


@page_of(TaxRate)
class TaxRateAdmin(MasterDataAdmin):
    form = TaxRateForm
    list_display = ("name", "country", "region", "category", "percent", "begins", "ends")
    search_exact = ("country",)
    search_within = ("name", "country", "region")
    fieldsets = (
        (None, {"fields": (("name", "rate"),)}),
        ("Where and for what", {"fields": (("country", "region", "category"),)}),
        ("When (UTC)", {"fields": (("valid_from", "valid_to"),)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("country", "region", "category", "rate", "valid_from") if obj else ()

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic(), noticing_lost_rates(obj.country):
            super().save_recorded(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Rate", ordering="rate")
    def percent(self, rate: TaxRate) -> SafeString:
        return format_html('<span class="ch-money">{} %</span>', quantity_text(rate.rate))

    @display(description="From (UTC)", ordering="valid_from")
    def begins(self, rate: TaxRate) -> SafeString:
        return day(rate.valid_from)

    @display(description="Until (UTC)", ordering="valid_to")
    def ends(self, rate: TaxRate) -> SafeString:
        return day(rate.valid_to)
