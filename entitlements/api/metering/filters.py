"""What the lists of meters and events can be narrowed by."""

from datetime import timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet

from core import clock
from core.rest.filters import AnyIdFilter, BooleanFilter, TimeFilter, WireFilterSet
from entitlements.metering.find_events import of_customers
from entitlements.models import UsageEvent


class MeterFilterSet(WireFilterSet):
    """Deleted meters show only where `includeDeleted=true`."""

    includeDeleted = BooleanFilter(method="by_deleted")

    def by_deleted(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeDeleted") else queryset.filter(deleted_at=None)


DEFAULT_RANGE = timedelta(hours=72)


class EventFilterSet(WireFilterSet):
    """`id` and `subject` match in part; times are inclusive at both ends. Without `from`, the last 72 hours, or those
    before `to`: as the clients document it."""

    id = django_filters.CharFilter(field_name="external_id", lookup_expr="icontains")
    subject = django_filters.CharFilter(field_name="subject", lookup_expr="icontains")
    customerId = AnyIdFilter(method="by_customer")
    ingestedAtFrom = TimeFilter(field_name="ingested_at", lookup_expr="gte")
    ingestedAtTo = TimeFilter(field_name="ingested_at", lookup_expr="lte")
    to = TimeFilter(field_name="time", lookup_expr="lte")

    def by_customer(self, queryset: QuerySet[UsageEvent], name: str, value: list[Any] | None) -> QuerySet[UsageEvent]:
        return queryset if value is None else of_customers(queryset, value)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        if self.form.cleaned_data.get("from") is None:
            last = self.form.cleaned_data.get("to") or clock.now()
            queryset = queryset.filter(time__gte=last - DEFAULT_RANGE)
        return queryset


# A word of Python, so it can't be declared in the class.
EventFilterSet.base_filters["from"] = TimeFilter(field_name="time", lookup_expr="gte")
