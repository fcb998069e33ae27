"""The page of a customer's effective settings: every billing field, what holds, who says so, and what is beneath."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from billing_site.backoffice.admin.customer_moves import MOVES, SETTINGS_VERBS, OwnSettings, override_of
from core.admin.display import admin_url
from core.admin.verbs import buttons_of
from customers.admin.customer import CustomerAdmin
from customers.effective_settings import override_values, profile_values, terms_of
from customers.models import Customer, CustomerAppData
from customers.settings_words import SETTING_LABELS, setting_words
from invoicing.admin.profile_moves.terms_review import drafts_of


class CustomerSettings(CustomerAdmin):
    """Adds the page to the customer's."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.settings_view)
        return [path("<path:object_id>/settings/", view, name="customers_customer_settings"), *super().get_urls()]

    def settings_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        customer: Customer = self.readable(request, object_id)
        terms, override = terms_of([customer.pk])[customer.pk], override_of(customer)
        pinned = bool(override and override.billing_profile_id)
        known = CustomerAppData.objects.filter(customer=customer, external_id__isnull=False).select_related("app")
        context = {
            "title": f"Effective settings of {customer}",
            "customer": customer,
            "object": customer,
            "terms": terms,
            "pinned": pinned,
            "origin": f"pin: {terms.profile}" if pinned else "default profile",
            "rows": _rows(request, customer, terms, override),
            "drafts": drafts_of(customer),
            "apps": list(known.order_by("app__name")),
            "buttons": buttons_of(request, customer, (*MOVES, *SETTINGS_VERBS)),
            "back": admin_url(customer),
        }
        return self._page(request, "backoffice/customer_settings.html", context)


def _rows(request: HttpRequest, customer: Customer, terms: Any, override: Any) -> list[dict[str, Any]]:
    own = override_values(override) if override else {}
    says = profile_values(terms.profile)
    change = ""
    if OwnSettings().allowed(request) and customer.deleted_at is None:
        change = reverse("admin:customers_customer_verb", args=[customer.pk, OwnSettings.slug])
    rows = []
    for field, label in SETTING_LABELS.items():
        mine = own.get(field)
        rows.append(
            {
                "label": label,
                "value": setting_words(field, terms.settings.values[field]),
                "origin": terms.settings.origins[field],
                "own": None if mine is None else setting_words(field, mine),
                "profile": setting_words(field, says[field]),
                "change": f"{change}#id_{field}" if change else "",
                "clear": f"{change}?{urlencode({field: ''})}" if change and mine is not None else "",
            }
        )
    return rows
