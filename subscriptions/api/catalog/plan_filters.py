"""What the list of plans can be narrowed by."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError

from core import clock
from core.rest.filters import AnyIdFilter, AnyOfFilter, BooleanFilter, WireFilterSet, deep_object
from subscriptions.catalog.version_status import with_version_status
from subscriptions.choices import PlanStatus
from subscriptions.models import Plan

_MAX_VERSION = 10**6
_VERSIONS = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": _MAX_VERSION}}
KEY_VERSION = OpenApiParameter(
    "keyVersion",
    {"type": "object", "additionalProperties": _VERSIONS},
    style="deepObject",
    explode=True,
    description="`keyVersion[gold]=1`: a version of a plan or add-on, by its key.",
)


def key_versions(params: Any, prefix: str = "") -> Q:
    """Those versions which `keyVersion[...]` names, if it is given; the columns have `prefix` before them."""
    versions = Q()
    for key, numbers in deep_object(params, "keyVersion").items():
        if not all(text.isascii() and text.isdigit() and int(text) <= _MAX_VERSION for text in numbers):
            raise ValidationError({"keyVersion": [f"Versions are whole numbers: keyVersion[{key}]=1."]})
        versions |= Q(**{f"{prefix}key": key, f"{prefix}version__in": [int(text) for text in numbers]})
    return versions


class PlanFilterSet(WireFilterSet):
    """Repeated keys mean any of them; `keyVersion[gold]=1` a version of a plan. Deleted drafts show only if asked."""

    id = AnyIdFilter(field_name="id")
    key = AnyOfFilter(field_name="key")
    status = django_filters.MultipleChoiceFilter(choices=PlanStatus.choices, method="by_status")
    currency = AnyOfFilter(field_name="currency")
    includeDeleted = BooleanFilter(method="by_deleted")

    def by_status(self, queryset: QuerySet[Plan], name: str, value: list[str]) -> QuerySet[Plan]:
        return with_version_status(queryset, value, clock.now()) if value else queryset

    def by_deleted(self, queryset: QuerySet[Plan], name: str, value: bool) -> QuerySet[Plan]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset).filter(key_versions(self.request.query_params))
        return queryset if self.form.cleaned_data.get("includeDeleted") else queryset.filter(deleted_at=None)
