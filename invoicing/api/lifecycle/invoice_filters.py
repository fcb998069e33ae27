"""What the list of invoices can be narrowed by."""

import django_filters
from django.db.models import Q, QuerySet

from core.rest.filters import AnyIdFilter, AnyOfFilter, BooleanFilter, TimeFilter, WireFilterSet
from invoicing.api.lifecycle.invoice_serializers import EXPANDS, WIRE_STATUSES, wire_status
from invoicing.choices import InvoiceStatus
from invoicing.models import Invoice


class InvoiceFilterSet(WireFilterSet):
    """Times are inclusive. Deleted drafts show only where `includeDeleted=true`. `expand` says what each shows."""

    statuses = django_filters.MultipleChoiceFilter(
        choices=[(status, status) for status in WIRE_STATUSES], method="by_status"
    )
    extendedStatuses = AnyOfFilter(field_name="status")
    customers = AnyIdFilter(field_name="customer_id")
    issuedAfter = TimeFilter(field_name="issued_at", lookup_expr="gte")
    issuedBefore = TimeFilter(field_name="issued_at", lookup_expr="lte")
    periodStartAfter = TimeFilter(field_name="period_start", lookup_expr="gte")
    periodStartBefore = TimeFilter(field_name="period_start", lookup_expr="lte")
    createdAfter = TimeFilter(field_name="created_at", lookup_expr="gte")
    createdBefore = TimeFilter(field_name="created_at", lookup_expr="lte")
    includeDeleted = BooleanFilter(method="unchanged")
    expand = django_filters.MultipleChoiceFilter(choices=[(name, name) for name in EXPANDS], method="unchanged")

    def by_status(self, queryset: QuerySet[Invoice], name: str, value: list[str]) -> QuerySet[Invoice]:
        if not value:
            return queryset
        return queryset.filter(status__in=[status for status in InvoiceStatus if wire_status(status) in value])

    def unchanged(self, queryset: QuerySet[Invoice], name: str, value: object) -> QuerySet[Invoice]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeDeleted") else queryset.filter(Q(deleted_at=None))
