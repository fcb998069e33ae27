"""The page of a usage event with what is billed of it, and the events that came too late."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from billing_site.backoffice.event_billing import billing_of, late_events
from core import clock
from core.admin.registry import page_of
from entitlements.admin.metering.event import UsageEventAdmin
from entitlements.models import UsageEvent

LATE_SINCE = timedelta(days=31)
LATE_AT_ONCE = 200


@page_of(UsageEvent)
class UsageEventPage(UsageEventAdmin):
    page_template = "backoffice/event_billing.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.late_view)
        return [path("late/", view, name="entitlements_usageevent_late"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        late = reverse("admin:entitlements_usageevent_late") if request.user.has_perm("invoicing.view_invoice") else ""
        return super().changelist_view(request, {"late_url": late, **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: UsageEvent) -> dict[str, Any]:
        context = super().page_context(request, obj)
        owner = context["owner"]
        features = [feature for read in context["reads"] if not read.why_not for feature in read.features]
        reads_money = request.user.has_perm("invoicing.view_invoice")
        billing = billing_of(obj, owner, features, context["reversal"]) if owner and reads_money else []
        return context | {"billing": billing, "reads_money": reads_money}

    def late_view(self, request: HttpRequest) -> HttpResponse:
        """What came after usage was read for the invoice that it belongs on: it waits until somebody decides."""
        if not (self.has_view_permission(request) and request.user.has_perm("invoicing.view_invoice")):
            raise PermissionDenied
        rows = late_events(since=clock.now() - LATE_SINCE, limit=LATE_AT_ONCE)
        context = {"title": "Late events", "days": LATE_SINCE.days, "rows": rows, "most": LATE_AT_ONCE}
        return self._page(request, "backoffice/event_late.html", context)
