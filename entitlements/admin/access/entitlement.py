"""Entitlements in the admin: what a customer may use, how much of it is left, and grants on top."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, link, moment
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from core.admin.words import duration_words
from entitlements.access.burndown import usage_period_at
from entitlements.access.chains import carried_grants, chained_schedule
from entitlements.access.history import BurnedSegment
from entitlements.access.selectors import active_at, entitlements_with_facts, with_managed
from entitlements.access.values import is_active, values_at
from entitlements.admin.access.grant import grant_state, renewal_words
from entitlements.admin.access.grant_usage import GrantUsage
from entitlements.admin.access.usage_period import usage_period_of
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement

LATEST_GRANTS, LATEST_HISTORY = 50, 50


class EntitlementState(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    default_label = "Active"
    choices_of = (("ended", "Ended"), ("scheduled", "Scheduled"), ("all", "All"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = clock.now()
        if self.value() == "all":
            return queryset
        if self.value() == "ended":
            return queryset.filter(active_to__lte=now)
        if self.value() == "scheduled":
            return queryset.filter(active_from__gt=now, deleted_at=None)
        return queryset.filter(active_at(now))


@page_of(Entitlement)
class EntitlementAdmin(ReadOnlyAdmin):
    list_display = ("customer_link", "to_feature", "kind", "state", "since", "until", "period", "managed")
    list_filter = (EntitlementState, "type")
    list_select_related = ("customer", "feature")
    search_exact = ("feature_key",)
    search_prefix = ("customer__name", "customer__key")
    search_help_text = "A feature's key, or the start of a customer's name or key."
    ordering = ("-created_at", "-id")
    sortable_by = ()
    page_template = "backoffice/entitlement.html"
    verbs = (GrantUsage(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entitlement]:
        return super().get_queryset(request).select_related("customer", "feature")

    @display(description="Customer")
    def customer_link(self, entitlement: Entitlement) -> SafeString:
        return link(entitlement.customer)

    @display(description="Feature")
    def to_feature(self, entitlement: Entitlement) -> SafeString:
        return link(entitlement, entitlement.feature_key)

    @display(description="Kind")
    def kind(self, entitlement: Entitlement) -> str:
        return entitlement.get_type_display()

    @display(description="State")
    def state(self, entitlement: Entitlement) -> SafeString:
        now = clock.now()
        if is_active(entitlement, now):
            return badge("Active", "green")
        if entitlement.deleted_at is not None:
            return badge("Deleted", "red")
        return badge("Scheduled", "blue") if entitlement.active_from > now else badge("Ended")

    @display(description="From")
    def since(self, entitlement: Entitlement) -> SafeString:
        return moment(entitlement.active_from, entitlement.time_zone)

    @display(description="To")
    def until(self, entitlement: Entitlement) -> SafeString:
        return moment(entitlement.active_to, entitlement.time_zone)

    @display(description="Usage period")
    def period(self, entitlement: Entitlement) -> str:
        return duration_words(entitlement.usage_period) or "–"

    @display(description="Managed by")
    def managed(self, entitlement: Entitlement) -> str:
        if entitlement.managed_in is None:
            return "–"
        return str(entitlement.managed_keys.get("plan", "a subscription"))

    def page_context(self, request: HttpRequest, obj: Entitlement) -> dict[str, Any]:
        now = clock.now()
        entitlement = entitlements_with_facts().prefetch_related(with_managed()).get(pk=obj.pk)
        value = values_at([entitlement], now)[obj.pk]
        schedule = chained_schedule(entitlement)
        metered = obj.type == EntitlementType.METERED
        period = usage_period_of(entitlement, now) if metered else None
        left = value.grants or {}
        moved = carried_grants(entitlement) if metered else []
        grants = sorted([*entitlement.grants.all(), *moved], key=lambda g: (g.created_at, g.pk), reverse=True)
        numbers = {g.pk: len(grants) - place for place, g in enumerate(grants)}
        rows = [
            {
                "grant": g,
                "number": numbers[g.pk],
                "origin": "plan" if g.issued else "moved along" if g in moved else "by staff",
                "left": left.get(g.pk),
                "state": grant_state(g),
                "renewal": renewal_words(g),
            }
            for g in grants[:LATEST_GRANTS]
        ]
        return {
            "entitlement": obj,
            "state": self.state(obj),
            "managed": self.managed(obj),
            "value": value,
            "usage_period": None if schedule is None else usage_period_at(schedule, max(now, obj.active_from)),
            "grants": rows,
            "more": max(0, len(grants) - LATEST_GRANTS),
            "period": period,
            "history": [_history_row(segment, numbers) for segment in period.segments[:LATEST_HISTORY]]
            if period
            else [],
            "earlier": max(0, len(period.segments) - LATEST_HISTORY) if period else 0,
            "timeline": self.timeline(obj),
        }


def _history_row(segment: BurnedSegment, numbers: Mapping[uuid.UUID, int]) -> dict[str, Any]:
    """A stretch of history, with what burned which grant by the grant's number on the page."""
    burned = [(numbers.get(key), amount) for key, amount in segment.burned.items()]
    return {"segment": segment, "burned": sorted(burned, key=lambda each: each[0] or 0)}
