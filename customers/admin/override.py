"""Customer overrides in the admin: who is pinned, and the single fields in which a customer differs. Read only."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, badge, link
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from customers.models import CustomerOverride
from customers.settings_words import SETTING_LABELS, setting_words

OVERRIDABLE = tuple(name for name in SETTING_LABELS if hasattr(CustomerOverride, name))

_PINNED = Q(billing_profile__isnull=False)
_DIFFERS = Q()
for _name in OVERRIDABLE:
    _DIFFERS |= Q(**{f"{_name}__isnull": False})


class WhatTheyHave(ChoiceFilter):
    title = "What they have"
    parameter_name = "has"
    choices_of = (("pin", "Pinned"), ("own", "Settings of their own"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter({"pin": _PINNED, "own": _DIFFERS}.get(self.value() or "", Q()))


@page_of(CustomerOverride)
class CustomerOverrideAdmin(ReadOnlyAdmin):
    """Pins and own settings are changed by the customer's verbs, which show the effect before they act."""

    list_display = ("customer_link", "pinned_to", "differs_in")
    list_filter = (WhatTheyHave, "billing_profile")
    list_select_related = ("customer", "billing_profile")
    list_display_links = ("differs_in",)
    search_prefix = ("customer__name", "customer__key")
    search_within = ("customer__name",)
    search_help_text = "The start of a customer's name or key, or words of the name."
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerOverride]:
        """Rows that say something: what an unpin leaves behind says nothing."""
        rows = super().get_queryset(request).filter(_PINNED | _DIFFERS)
        return rows.select_related("customer", "billing_profile")

    @display(description="Customer")
    def customer_link(self, override: CustomerOverride) -> SafeString:
        return link(override.customer)

    @display(description="Pinned to")
    def pinned_to(self, override: CustomerOverride) -> SafeString:
        return badge(override.billing_profile.name, "blue") if override.billing_profile else EMPTY

    @display(description="Settings of their own")
    def differs_in(self, override: CustomerOverride) -> str:
        parts = [
            f"{SETTING_LABELS[name].lower()}: {setting_words(name, getattr(override, name))}"
            for name in OVERRIDABLE
            if getattr(override, name) is not None
        ]
        return "; ".join(parts) or "none"
