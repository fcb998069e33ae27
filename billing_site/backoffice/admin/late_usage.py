"""The page of a case of late usage with the events behind it."""

from typing import Any

from django.http import HttpRequest

from billing_site.backoffice.event_billing import events_behind
from core.admin.registry import page_of
from invoicing.admin.late_usage.case import LateUsageCaseAdmin
from invoicing.models import LateUsageCase

EVENTS_AT_ONCE = 50


@page_of(LateUsageCase)
class LateUsagePage(LateUsageCaseAdmin):
    page_template = "backoffice/late_usage_events.html"

    def page_context(self, request: HttpRequest, obj: LateUsageCase) -> dict[str, Any]:
        context = super().page_context(request, obj)
        reads = request.user.has_perm("entitlements.view_usageevent")
        events = events_behind(obj, limit=EVENTS_AT_ONCE) if reads else []
        return context | {"events": events, "reads_events": reads, "most": EVENTS_AT_ONCE}
