"""What the lists of channels, rules and events can be narrowed by."""

import uuid
from typing import Any

from django.db.models import Q, QuerySet

from core.ids import from_text
from core.notifications.models import Delivery
from core.rest.filters import AnyIdFilter, AnyOfFilter, BooleanFilter, TimeFilter, WireFilterSet
from entitlements.models import Feature


def feature_ids(texts: list[str]) -> set[uuid.UUID]:
    """The ids of the features that these ids and keys name, archived ones too. One query."""
    ids = {known for text in texts if (known := from_text(text)) is not None}
    named = Feature.objects.filter(Q(pk__in=ids) | Q(key__in=texts))
    return set(named.values_list("pk", flat=True))


class InForceFilterSet(WireFilterSet):
    """Deleted ones show only where `includeDeleted=true`, disabled ones unless `includeDisabled=false`."""

    includeDeleted = BooleanFilter(method="unchanged")
    includeDisabled = BooleanFilter(method="unchanged")

    def unchanged(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        said = self.form.cleaned_data
        if not said.get("includeDeleted"):
            queryset = queryset.filter(deleted_at=None)
        return queryset if said.get("includeDisabled") is not False else queryset.filter(disabled=False)


class RuleFilterSet(InForceFilterSet):
    feature = AnyOfFilter(method="by_feature")
    channel = AnyIdFilter(method="by_channel")

    def by_feature(self, queryset: QuerySet[Any], name: str, value: list[str]) -> QuerySet[Any]:
        return queryset.filter(feature_ids__overlap=sorted(feature_ids(value)))

    def by_channel(self, queryset: QuerySet[Any], name: str, value: list[uuid.UUID]) -> QuerySet[Any]:
        through = queryset.model.channels.through
        return queryset.filter(pk__in=through.objects.filter(channel_id__in=value).values("rule_id"))


class EventFilterSet(WireFilterSet):
    """Events made from a moment on and up to another, both included; of features, subjects, rules and channels."""

    to = TimeFilter(field_name="created_at", lookup_expr="lte")
    feature = AnyOfFilter(method="by_feature")
    subject = AnyOfFilter(field_name="subject")
    rule = AnyIdFilter(field_name="rule_id")
    channel = AnyIdFilter(method="by_channel")

    def by_feature(self, queryset: QuerySet[Any], name: str, value: list[str]) -> QuerySet[Any]:
        return queryset.filter(feature_id__in=feature_ids(value))

    def by_channel(self, queryset: QuerySet[Any], name: str, value: list[uuid.UUID]) -> QuerySet[Any]:
        return queryset.filter(pk__in=Delivery.objects.filter(channel_id__in=value).values("event_id"))


# `from` is a word of Python.
EventFilterSet.base_filters["from"] = TimeFilter(field_name="created_at", lookup_expr="gte")
