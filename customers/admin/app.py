"""Billing apps in the admin, and what they know of customers."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.display import badge
from core.admin.registry import page_of
from customers.choices import AppStatus, AppType
from customers.models import BillingApp, CustomerAppData


@page_of(BillingApp)
class BillingAppAdmin(MasterDataAdmin):
    """The type is fixed once given: profiles are tied to the way of collecting. What needs the floors above (keys,
    uninstalling) is on the page that `billing_site.backoffice` puts over this one."""

    list_display: tuple[str, ...] = ("name", "type", "state", "description")
    list_filter = ("type",)
    search_within = ("name",)
    fields = ("name", "type", "description")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "type":
            kwargs["choices"] = [choice for choice in AppType.choices if choice[0] != AppType.STRIPE]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @display(description="Status")
    def state(self, app: BillingApp) -> SafeString:
        if app.deleted_at is not None:
            return badge("Uninstalled")
        return badge(app.get_status_display(), "green" if app.status == AppStatus.READY else "red")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("type",) if obj else ()


@page_of(CustomerAppData)
class CustomerAppDataAdmin(MasterDataAdmin):
    """What a Stripe app knows is not typed in here: Stripe is asked first, by the verb on the customer's page."""

    list_display = ("customer", "app", "external_id")
    list_filter = ("app",)
    list_select_related = ("customer", "app")
    autocomplete_fields = ("customer",)
    search_exact = ("external_id",)
    search_prefix = ("customer__name",)
    fields = ("customer", "app", "external_id", "data")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("customer", "app") if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        typed_in = obj is None or obj.app.type != AppType.STRIPE
        return typed_in and super().has_change_permission(request, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "app":
            kwargs["queryset"] = BillingApp.objects.filter(deleted_at__isnull=True).exclude(type=AppType.STRIPE)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def customer_id_of(self, obj: CustomerAppData) -> Any:
        return obj.customer_id
