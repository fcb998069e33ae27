"""The page of a usage event with what is billed of it."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from billing_site.backoffice.event_billing import billing_of
from core.admin.registry import page_of
from entitlements.admin.metering.event import UsageEventAdmin
from entitlements.models import UsageEvent


@page_of(UsageEvent)
class UsageEventPage(UsageEventAdmin):
    page_template = "backoffice/event_billing.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        reads = request.user.has_perm("invoicing.view_lateusagecase")
        late = reverse("admin:invoicing_lateusagecase_changelist") if reads else ""
        return super().changelist_view(request, {"late_url": late, **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: UsageEvent) -> dict[str, Any]:
        context = super().page_context(request, obj)
        owner = context["owner"]
        features = [feature for read in context["reads"] if not read.why_not for feature in read.features]
        reads_money = request.user.has_perm("invoicing.view_invoice")
        billing = billing_of(obj, owner, features, context["reversal"]) if owner and reads_money else []
        return context | {"billing": billing, "reads_money": reads_money}
