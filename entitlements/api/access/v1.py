"""v1: what a customer may use, the lists of all entitlements and grants, and voiding a grant."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import NotFound
from core.rest.lookups import find, missing
from core.rest.pagination import PageOrBareArrayPagination
from core.rest.views import WireViewSet
from customers.selectors import find_customer
from entitlements.access.asked import Addressed
from entitlements.access.selectors import (
    active_at,
    entitlements_for_display,
    entitlements_with_facts,
    grants_for_display,
)
from entitlements.access.values import NO_ACCESS, value_of, values_at
from entitlements.access.void_grant import void_grant
from entitlements.api.access.base import ENTITLEMENT_ORDER, GRANT_ORDER, SCOPES
from entitlements.api.access.filters import EntitlementV1FilterSet, GrantV1FilterSet
from entitlements.api.access.serializers import EntitlementV1Serializer, GrantSerializer
from entitlements.api.access.value_serializers import (
    AccessSerializer,
    ValueQuerySerializer,
    ValueSerializer,
    VoidQuerySerializer,
    shown_value,
    value_on_wire,
)
from entitlements.models import Entitlement, Feature, Grant

MAX_ENTITLEMENTS = 1000


class AccessViewSet(WireViewSet):
    """What a customer may use."""

    required_scopes = SCOPES
    serializer_class = ValueSerializer
    queryset = Entitlement.objects.none()
    pagination_class = None
    filter_backends: list[Any] = []
    lookup_url_kwarg = "customerIdOrKey"

    @extend_schema(operation_id="getCustomerEntitlementValue", parameters=[ValueQuerySerializer])
    def value(self, request: Request, *, featureKey: str, **kwargs: str) -> Response:  # noqa: N803 - the path's name
        """No access where the customer has no entitlement to the feature then; 404 where there is no such feature."""
        moment = self.read_query(ValueQuerySerializer).get("time") or clock.now()
        try:
            value = value_of(Addressed.CUSTOMER, self.addressed, featureKey, moment)
        except NotFound as error:
            if error.code != "entitlement_not_found":
                raise
            if not Feature.objects.filter(key=featureKey).exists():
                raise missing("feature", featureKey) from None
            value = NO_ACCESS
        return Response(value_on_wire(value, self.serializer_class))

    @extend_schema(operation_id="getCustomerAccess", responses=AccessSerializer)
    def access(self, request: Request, **kwargs: str) -> Response:
        now = clock.now()
        customer = find_customer(self.addressed)
        rows = entitlements_with_facts().filter(active_at(now), customer=customer).order_by("feature_key")
        entitlements = list(rows[:MAX_ENTITLEMENTS])
        values = values_at(entitlements, now)
        shown = {each.feature_key: shown_value(values[each.pk]) for each in entitlements}
        return self.show({"entitlements": shown}, AccessSerializer)


class EntitlementV1ViewSet(WireViewSet):
    """The entitlements of all customers, each with one of its subjects."""

    required_scopes = SCOPES
    serializer_class = EntitlementV1Serializer
    filterset_class = EntitlementV1FilterSet
    pagination_class = PageOrBareArrayPagination
    order_by_fields = ENTITLEMENT_ORDER
    lookup_url_kwarg = "entitlementId"

    def get_queryset(self) -> QuerySet[Entitlement]:
        return entitlements_for_display()

    @extend_schema(operation_id="listEntitlements")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="getEntitlementById")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="entitlement"))


class GrantV1ViewSet(WireViewSet):
    """The grants of all customers. Deleting one voids it: what was used of it stays used."""

    required_scopes = SCOPES
    serializer_class = GrantSerializer
    filterset_class = GrantV1FilterSet
    pagination_class = PageOrBareArrayPagination
    order_by_fields = GRANT_ORDER
    lookup_url_kwarg = "grantId"

    def get_queryset(self) -> QuerySet[Grant]:
        return grants_for_display()

    @extend_schema(operation_id="listGrants")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="voidGrant", parameters=[VoidQuerySerializer], responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        query = self.read_query(VoidQuerySerializer)
        void_grant(grant=find(self.get_queryset(), self.addressed, what="grant"), at=query.get("at"))
        return Response(status=status.HTTP_204_NO_CONTENT)
