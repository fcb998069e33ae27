"""Customer overrides in the admin: the single fields in which a customer differs from their profile."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import MasterDataAdmin
from core.admin.display import EMPTY, badge, link
from customers.admin.setting_fields import DaysField, SettingsForm
from customers.models import CustomerOverride
from customers.services.override_fields import override_fields
from customers.settings_words import SETTING_LABELS, setting_words

OVERRIDABLE = tuple(name for name in SETTING_LABELS if hasattr(CustomerOverride, name))


class OverrideForm(SettingsForm):
    dunning_days = DaysField(label="Retries after a failed charge", empty=None)

    class Meta:
        model = CustomerOverride
        fields = ("customer", *OVERRIDABLE)


@admin.register(CustomerOverride)
class CustomerOverrideAdmin(MasterDataAdmin):
    """A field left empty says nothing: the profile speaks. The pin itself is changed on the customer's page."""

    form = OverrideForm
    list_display = ("customer_link", "pinned_to", "differs_in")
    list_filter = ("billing_profile",)
    list_select_related = ("customer", "billing_profile")
    list_display_links = ("differs_in",)
    autocomplete_fields = ("customer",)
    search_prefix = ("customer__name", "customer__key")
    search_within = ("customer__name",)
    readonly_fields = ("billing_profile",)
    fieldsets = (
        (None, {"fields": (("customer", "billing_profile"),)}),
        (
            "Collection",
            {"fields": (("collection_method", "due_after"), ("dunning_days", "uncollectible_after_dunning"))},
        ),
        (
            "Workflow",
            {
                "fields": (
                    ("auto_advance", "draft_period"),
                    ("collection_interval", "collection_alignment"),
                    ("collection_cadence", "collection_anchor"),
                )
            },
        ),
        (
            "Progressive billing",
            {"fields": ("progressive_billing", ("progressive_threshold", "progressive_threshold_currency"))},
        ),
        ("Tax", {"fields": (("tax_enabled", "tax_enforced"), ("tax_behavior", "tax_code"))}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerOverride]:
        return super().get_queryset(request).select_related("customer", "billing_profile")

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        workflow = {name: None if (value := form.cleaned_data[name]) == "" else value for name in OVERRIDABLE}
        obj.pk = override_fields(customer=obj.customer, workflow=workflow).pk

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("customer", "billing_profile") if obj else ("billing_profile",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def customer_id_of(self, obj: CustomerOverride) -> Any:
        return obj.customer_id

    @display(description="Customer", ordering="customer__name")
    def customer_link(self, override: CustomerOverride) -> SafeString:
        return link(override.customer)

    @display(description="Pinned to", ordering="billing_profile__name")
    def pinned_to(self, override: CustomerOverride) -> SafeString:
        return badge(override.billing_profile.name, "blue") if override.billing_profile else EMPTY

    @display(description="Differs in")
    def differs_in(self, override: CustomerOverride) -> str:
        parts = [
            f"{SETTING_LABELS[name].lower()}: {setting_words(name, getattr(override, name))}"
            for name in OVERRIDABLE
            if getattr(override, name) not in (None, "")
        ]
        return "; ".join(parts) or "nothing"
