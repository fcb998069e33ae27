"""What the list of customers can be narrowed by."""

from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, QuerySet

from core.rest.filters import BooleanFilter, TimeFilter, WireFilterSet
from customers.models import Customer, UsageSubject


class CustomerFilterSet(WireFilterSet):
    """Texts match in part, whatever their case. Times are inclusive. Deleted customers show only where
    `includeDeleted=true`."""

    key = django_filters.CharFilter(field_name="key", lookup_expr="icontains")
    name = django_filters.CharFilter(field_name="name", lookup_expr="icontains")
    primaryEmail = django_filters.CharFilter(field_name="primary_email", lookup_expr="icontains")
    subject = django_filters.CharFilter(method="by_subject")
    createdAfter = TimeFilter(field_name="created_at", lookup_expr="gte")
    createdBefore = TimeFilter(field_name="created_at", lookup_expr="lte")
    includeDeleted = BooleanFilter(method="by_deleted")

    def by_subject(self, queryset: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        subjects = UsageSubject.objects.filter(customer=OuterRef("pk"), deleted_at=None, key__icontains=value)
        return queryset.filter(Exists(subjects))

    def by_deleted(self, queryset: QuerySet[Customer], name: str, value: bool) -> QuerySet[Customer]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeDeleted") else queryset.filter(deleted_at=None)
