"""The list of pins and own settings, leading to where they are changed: the customer's page of effective settings."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from core.admin.registry import page_of
from customers.admin.override import CustomerOverrideAdmin
from customers.models import CustomerOverride


@page_of(CustomerOverride)
class OverridesPage(CustomerOverrideAdmin):
    list_before_template = "backoffice/override_list.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        override = self.get_object(request, unquote(object_id))
        if override is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return HttpResponseRedirect(reverse("admin:customers_customer_settings", args=[override.customer_id]))
