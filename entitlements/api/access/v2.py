"""v2: a customer's entitlements with their grants, values and history, and the lists of all."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.lookups import find
from core.rest.pagination import PageOrOffsetPagination
from core.rest.views import WireViewSet
from entitlements.access.selectors import entitlements_for_display, grants_for_display
from entitlements.api.access.base import ENTITLEMENT_ORDER, GRANT_ORDER, SCOPES, CustomerAccessViewSet
from entitlements.api.access.filters import (
    CustomerEntitlementFilterSet,
    EntitlementV2FilterSet,
    GrantFilterSet,
    GrantV2FilterSet,
)
from entitlements.api.access.inputs import EntitlementV2InputSerializer, GrantV2InputSerializer, ResetInputSerializer
from entitlements.api.access.serializers import EntitlementV2Serializer, GrantSerializer
from entitlements.api.access.value_serializers import (
    HistoryQuerySerializer,
    HistorySerializer,
    ValueQuerySerializer,
    ValueV2Serializer,
    value_on_wire,
)
from entitlements.models import Entitlement, Grant


class CustomerEntitlementViewSet(CustomerAccessViewSet):
    """Terms are never changed: an override ends an entitlement and begins another. What a subscription manages is
    changed through the subscription (403)."""

    serializer_class = EntitlementV2Serializer
    input_serializer = EntitlementV2InputSerializer
    filterset_class = CustomerEntitlementFilterSet
    order_by_fields = ENTITLEMENT_ORDER

    def get_queryset(self) -> QuerySet[Entitlement]:
        return self.theirs()

    @extend_schema(operation_id="listCustomerEntitlementsV2")
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createCustomerEntitlementV2",
        request=EntitlementV2InputSerializer,
        responses={201: EntitlementV2Serializer},
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        return self.create_one()

    @extend_schema(operation_id="getCustomerEntitlementV2")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.present(self.entitlement())

    @extend_schema(operation_id="deleteCustomerEntitlementV2", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        return self.delete_one()

    @extend_schema(
        operation_id="overrideCustomerEntitlementV2",
        request=EntitlementV2InputSerializer,
        responses={201: EntitlementV2Serializer},
    )
    def override(self, request: Request, **kwargs: str) -> Response:
        return self.override_one()


class CustomerEntitlementUsageViewSet(CustomerAccessViewSet):
    """What is left of an entitlement, what became of it, and a new usage period."""

    serializer_class = ValueV2Serializer
    queryset = Entitlement.objects.none()
    pagination_class = None
    filter_backends: list[Any] = []

    @extend_schema(operation_id="getCustomerEntitlementValueV2", parameters=[ValueQuerySerializer])
    def value(self, request: Request, **kwargs: str) -> Response:
        return Response(value_on_wire(self.value_of_one(), self.serializer_class))

    @extend_schema(
        operation_id="getCustomerEntitlementHistoryV2",
        parameters=[HistoryQuerySerializer],
        responses=HistorySerializer,
    )
    def history(self, request: Request, **kwargs: str) -> Response:
        return self.history_of_one()

    @extend_schema(operation_id="resetCustomerEntitlementUsageV2", request=ResetInputSerializer, responses={204: None})
    def reset(self, request: Request, **kwargs: str) -> Response:
        return self.reset_one()


class CustomerGrantViewSet(CustomerAccessViewSet):
    """The grants of an entitlement. None is ever changed: it can be voided."""

    serializer_class = GrantSerializer
    grant_input_serializer = GrantV2InputSerializer
    filterset_class = GrantFilterSet
    pagination_class = PageOrOffsetPagination
    order_by_fields = GRANT_ORDER

    def get_queryset(self) -> QuerySet[Grant]:
        return self.grants()

    @extend_schema(operation_id="listCustomerEntitlementGrantsV2")
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createCustomerEntitlementGrantV2",
        request=GrantV2InputSerializer,
        responses={201: GrantSerializer},
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        return self.grant_one()


class EntitlementV2ViewSet(WireViewSet):
    """The entitlements of all customers."""

    required_scopes = SCOPES
    serializer_class = EntitlementV2Serializer
    filterset_class = EntitlementV2FilterSet
    pagination_class = PageOrOffsetPagination
    order_by_fields = ENTITLEMENT_ORDER
    lookup_url_kwarg = "entitlementId"

    def get_queryset(self) -> QuerySet[Entitlement]:
        return entitlements_for_display()

    @extend_schema(operation_id="listEntitlementsV2")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="getEntitlementByIdV2")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="entitlement"))


class GrantV2ViewSet(WireViewSet):
    """The grants of all customers."""

    required_scopes = SCOPES
    serializer_class = GrantSerializer
    filterset_class = GrantV2FilterSet
    pagination_class = PageOrOffsetPagination
    order_by_fields = GRANT_ORDER

    def get_queryset(self) -> QuerySet[Grant]:
        return grants_for_display()

    @extend_schema(operation_id="listGrantsV2")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))
