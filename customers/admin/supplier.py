"""Suppliers in the admin."""

from typing import Any

from django.http import HttpRequest
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.registry import page_of
from core.countries_and_zones import country_names
from customers.admin.party_form import PartyForm
from customers.models import Supplier
from customers.services.customer_input import ADDRESS_FIELDS
from customers.services.save_supplier import create_supplier, update_supplier
from customers.services.supplier_input import SupplierInput


class SupplierForm(PartyForm):
    class Meta:
        model = Supplier
        fields = ("name", "key", "tax_id", "email", "invoice_prefix", "credit_note_prefix", *ADDRESS_FIELDS)
        labels = {"tax_id": "Tax id", "line1": "Address line 1", "line2": "Address line 2"}

    def as_input(self) -> SupplierInput:
        """The form as the services take it. Prefixes are asked for once."""
        values = self.cleaned_data
        return SupplierInput(
            key=values["key"] or None,
            name=values["name"],
            tax_id=values["tax_id"],
            email=values["email"],
            address={name: values[name] for name in ADDRESS_FIELDS},
            invoice_prefix=values.get("invoice_prefix"),
            credit_note_prefix=values.get("credit_note_prefix"),
        )


@page_of(Supplier)
class SupplierAdmin(MasterDataAdmin):
    """The prefixes are fixed once given: numbers already issued carry them."""

    form = SupplierForm
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
        return country_names().get(supplier.country, supplier.country)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("invoice_prefix", "credit_note_prefix") if obj else ()

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            update_supplier(supplier=obj, replacement=form.as_input())
        else:
            obj.pk = create_supplier(supplier=form.as_input()).pk
