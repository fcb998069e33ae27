"""What the lists of entitlements and grants can be narrowed by."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet

from core import clock
from core.ids import from_text
from core.rest.filters import AnyIdFilter, AnyOfFilter, BooleanFilter, WireFilterSet
from customers.models import Customer, UsageSubject
from entitlements.access.selectors import active_at
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement, Feature, Grant


def _features(values: list[str]) -> QuerySet[Feature]:
    """Those with any of these keys or ids."""
    return Feature.objects.filter(Q(key__in=values) | Q(pk__in=[from_text(value) for value in values]))


def _owners(keys: list[str]) -> QuerySet[UsageSubject]:
    return UsageSubject.objects.filter(key__in=keys, deleted_at=None)


class CustomerEntitlementFilterSet(WireFilterSet):
    """Deleted entitlements show only where `includeDeleted=true`."""

    includeDeleted = BooleanFilter(method="by_deleted")

    def by_deleted(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeDeleted") else queryset.filter(deleted_at=None)


class _EntitlementFilterSet(WireFilterSet):
    """Deleted entitlements don't show; `excludeInactive` leaves out those that have ended or not begun."""

    feature = AnyOfFilter(method="by_feature")
    entitlementType = django_filters.MultipleChoiceFilter(field_name="type", choices=EntitlementType.choices)
    excludeInactive = BooleanFilter(method="by_activity")

    def by_feature(self, queryset: QuerySet[Any], name: str, value: list[str] | None) -> QuerySet[Any]:
        return queryset if value is None else queryset.filter(feature__in=_features(value))

    def by_activity(self, queryset: QuerySet[Any], name: str, value: bool | None) -> QuerySet[Any]:
        return queryset.filter(active_at(clock.now())) if value else queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset).filter(deleted_at=None)


class EntitlementV1FilterSet(_EntitlementFilterSet):
    subject = AnyOfFilter(method="by_subject")

    def by_subject(self, queryset: QuerySet[Entitlement], name: str, value: list[str] | None) -> QuerySet[Entitlement]:
        return queryset if value is None else queryset.filter(customer__in=_owners(value).values("customer"))


class EntitlementV2FilterSet(_EntitlementFilterSet):
    customerKeys = AnyOfFilter(field_name="customer__key")
    customerIds = AnyIdFilter(field_name="customer_id")


class GrantFilterSet(WireFilterSet):
    """Voided grants show only where `includeDeleted=true`."""

    includeDeleted = BooleanFilter(method="by_deleted")

    def by_deleted(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeDeleted") else queryset.filter(voided_at=None)


class _GrantsOfFeatures(GrantFilterSet):
    feature = AnyOfFilter(method="by_feature")

    def by_feature(self, queryset: QuerySet[Grant], name: str, value: list[str] | None) -> QuerySet[Grant]:
        return queryset if value is None else queryset.filter(entitlement__feature__in=_features(value))


class GrantV1FilterSet(_GrantsOfFeatures):
    subject = AnyOfFilter(method="by_subject")

    def by_subject(self, queryset: QuerySet[Grant], name: str, value: list[str] | None) -> QuerySet[Grant]:
        return (
            queryset if value is None else queryset.filter(entitlement__customer__in=_owners(value).values("customer"))
        )


class GrantV2FilterSet(_GrantsOfFeatures):
    customer = AnyOfFilter(method="by_customer")

    def by_customer(self, queryset: QuerySet[Grant], name: str, value: list[str] | None) -> QuerySet[Grant]:
        if value is None:
            return queryset
        ids = [from_text(text) for text in value]
        return queryset.filter(entitlement__customer__in=Customer.objects.filter(Q(key__in=value) | Q(pk__in=ids)))
