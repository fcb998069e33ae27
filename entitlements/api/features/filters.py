"""What the list of features can be narrowed by."""

from typing import Any

from django.db.models import QuerySet

from core.rest.filters import AnyOfFilter, BooleanFilter, WireFilterSet


class FeatureFilterSet(WireFilterSet):
    """Archived features show only where `includeArchived=true`."""

    meterSlug = AnyOfFilter(field_name="meter__key")
    includeArchived = BooleanFilter(method="by_archived")

    def by_archived(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeArchived") else queryset.filter(archived_at=None)
