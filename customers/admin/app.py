"""Billing apps in the admin, and what they know of customers."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.display import badge
from customers.choices import AppStatus
from customers.models import BillingApp, CustomerAppData


@admin.register(BillingApp)
class BillingAppAdmin(MasterDataAdmin):
    """The type is fixed once given: profiles are tied to the way of collecting."""

    list_display = ("name", "type", "state", "description")
    list_filter = ("type",)
    search_within = ("name",)
    fields = ("name", "type", "description")

    @display(description="Status")
    def state(self, app: BillingApp) -> SafeString:
        return badge(app.get_status_display(), "green" if app.status == AppStatus.READY else "red")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("type",) if obj else ()


@admin.register(CustomerAppData)
class CustomerAppDataAdmin(MasterDataAdmin):
    list_display = ("customer", "app", "external_id")
    list_filter = ("app",)
    list_select_related = ("customer", "app")
    autocomplete_fields = ("customer",)
    search_exact = ("external_id",)
    search_prefix = ("customer__name",)
    fields = ("customer", "app", "external_id", "data")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("customer", "app") if obj else ()

    def customer_id_of(self, obj: CustomerAppData) -> Any:
        return obj.customer_id
