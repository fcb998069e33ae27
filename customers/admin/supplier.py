"""Suppliers in the admin."""

from typing import Any

from django.http import HttpRequest
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.registry import page_of
from customers.models import Supplier


@page_of(Supplier)
class SupplierAdmin(MasterDataAdmin):
    """The prefixes are fixed once given: numbers already issued carry them."""

    list_display = ("name", "key", "country_name", "tax_id", "invoice_prefix", "credit_note_prefix")
    search_prefix = ("name", "key")
    search_within = ("name", "tax_id")
    fieldsets = (
        (None, {"fields": (("name", "key"), ("tax_id", "email"))}),
        ("Number series", {"fields": (("invoice_prefix", "credit_note_prefix"),)}),
        (
            "Address",
            {"fields": (("line1", "line2"), ("postal_code", "city"), ("state", "country"), "phone_number")},
        ),
    )

    @display(description="Country", ordering="country")
    def country_name(self, supplier: Supplier) -> str:
        return supplier.country

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("invoice_prefix", "credit_note_prefix") if obj else ()
