"""`/billing/customers`: who is billed by which profile, and what each has of their own."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet, prefetch_related_objects
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.rest.filters import AnyIdFilter, BooleanFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.api.override_serializers import BilledBySerializer, OverrideInputSerializer
from customers.api.workflow_serializers import read_workflow
from customers.effective_settings import terms_of
from customers.models import BillingProfile, Customer
from customers.selectors import customers_for_display, find_customer
from invoicing.profile_moves.pin_customer import override_billing, remove_override

EXPANDS = ("apps", "customer")


class OverrideFilterSet(WireFilterSet):
    """Only customers with an override, unless `includeAllCustomers` or `customersWithoutPinnedProfile` says otherwise.

    The default profile's customers include those without a pin where all customers are asked for.
    """

    billingProfile = AnyIdFilter(method="unchanged")
    customersWithoutPinnedProfile = BooleanFilter(method="unchanged")
    includeAllCustomers = BooleanFilter(method="unchanged")
    customerId = AnyIdFilter(field_name="id")
    customerName = django_filters.CharFilter(field_name="name", lookup_expr="icontains")
    customerKey = django_filters.CharFilter(field_name="key", lookup_expr="icontains")
    customerPrimaryEmail = django_filters.CharFilter(field_name="primary_email", lookup_expr="icontains")
    expand = django_filters.MultipleChoiceFilter(choices=[(name, name) for name in EXPANDS], method="unchanged")

    def unchanged(self, queryset: QuerySet[Customer], name: str, value: object) -> QuerySet[Customer]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Customer]) -> QuerySet[Customer]:
        queryset = super().filter_queryset(queryset)
        asked = self.form.cleaned_data
        unpinned = Q(billing_override__billing_profile__isnull=True)
        everyone = asked.get("includeAllCustomers") or asked.get("customersWithoutPinnedProfile")
        profiles = asked.get("billingProfile")
        if asked.get("customersWithoutPinnedProfile"):
            queryset = queryset.filter(unpinned)
        if not everyone:
            queryset = queryset.filter(billing_override__isnull=False)
        if profiles is not None:
            theirs = Q(billing_override__billing_profile__in=profiles)
            if everyone and BillingProfile.objects.filter(pk__in=profiles, is_default=True).exists():
                theirs |= unpinned
            queryset = queryset.filter(theirs)
        return queryset


class ExpandSerializer(WireSerializer):
    expand = serializers.MultipleChoiceField(choices=EXPANDS, required=False)


class OverrideViewSet(WireViewSet):
    """Everybody is billed by some profile: GET answers for customers without an override, too."""

    required_scopes = {"GET": "billing:read", "PUT": "billing:write", "DELETE": "billing:write"}
    serializer_class = BilledBySerializer
    filterset_class = OverrideFilterSet
    order_by_fields = {
        "customerId": "id",
        "customerName": "name",
        "customerKey": "key",
        "customerPrimaryEmail": "primary_email",
        "customerCreatedAt": "created_at",
    }
    lookup_url_kwarg = "customerId"

    def get_queryset(self) -> QuerySet[Customer]:
        return customers_for_display().select_related("billing_override").filter(deleted_at=None)

    @extend_schema(operation_id="listBillingProfileCustomerOverrides")
    def list(self, request: Request) -> Response:
        customers = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        shown = BilledBySerializer(customers, many=True, context=self._context(customers))
        return self.get_paginated_response(shown.data)

    @extend_schema(operation_id="getBillingProfileCustomerOverride", parameters=[ExpandSerializer])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.present(find(self.get_queryset(), self.addressed, what="customer", key="key"))

    @extend_schema(
        operation_id="upsertBillingProfileCustomerOverride",
        request=OverrideInputSerializer,
        responses=BilledBySerializer,
    )
    def update(self, request: Request, **kwargs: str) -> Response:
        customer = find_customer(self.addressed)
        body = self.read_body(OverrideInputSerializer)
        workflow = read_workflow(body["workflow"]) if "workflow" in body else None
        override_billing(customer=customer, profile=_profile(body), workflow=workflow)
        return self.present(self.get_queryset().get(pk=customer.pk))

    @extend_schema(operation_id="deleteBillingProfileCustomerOverride", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        remove_override(customer=find_customer(self.addressed))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def present(self, customer: Customer) -> Response:
        return Response(BilledBySerializer(customer, context=self._context([customer])).data)

    def _context(self, customers: Any) -> dict[str, Any]:
        expanded = self.request.query_params.getlist("expand")
        terms = terms_of([customer.pk for customer in customers])
        if "apps" in expanded:
            prefetch_related_objects([known.profile.app for known in terms.values()], "stripe_account")
        return {"terms": terms, **{name: name in expanded for name in EXPANDS}}


def _profile(body: dict[str, Any]) -> BillingProfile | None:
    identity = body.get("billing_profile_id")
    if identity is None:
        return None
    profile = BillingProfile.objects.filter(pk=identity, deleted_at=None).first()
    if profile is None:
        raise field_error(
            "billingProfileId", "unknown_profile", "There is no such billing profile. Nothing was changed."
        )
    return profile
