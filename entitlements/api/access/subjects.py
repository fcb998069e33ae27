"""v1 by subject: the entitlements of the customer whose usage a subject is now, as older integrations address them."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.lookups import MAX_KEY_LENGTH, missing
from core.rest.pagination import BareArrayPagination
from customers.models import Customer, UsageSubject
from entitlements.access.asked import Addressed
from entitlements.api.access.base import ENTITLEMENT_ORDER, GRANT_ORDER, CustomerAccessViewSet
from entitlements.api.access.filters import CustomerEntitlementFilterSet, GrantFilterSet
from entitlements.api.access.inputs import EntitlementV1InputSerializer, GrantV1InputSerializer, ResetInputSerializer
from entitlements.api.access.serializers import EntitlementV1Serializer, GrantSerializer
from entitlements.api.access.value_serializers import (
    HistoryQuerySerializer,
    HistorySerializer,
    ValueQuerySerializer,
    ValueSerializer,
    value_on_wire,
)
from entitlements.models import Entitlement, Grant


class SubjectAccessViewSet(CustomerAccessViewSet):
    """Whoever has the subject now. An entitlement is addressed by its id or its feature's key."""

    lookup_url_kwarg = "subjectIdOrKey"
    addresses = Addressed.SUBJECT

    def customer(self) -> Customer:
        if len(self.addressed) <= MAX_KEY_LENGTH:
            owned = UsageSubject.objects.select_related("customer").filter(key=self.addressed, deleted_at=None)
            subject = owned.filter(customer__deleted_at=None).first()
            if subject is not None:
                return subject.customer
        raise missing("subject", self.addressed)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "subject_key": self.kwargs.get("subjectIdOrKey")}


class SubjectEntitlementViewSet(SubjectAccessViewSet):
    """Create, list, get, override, delete."""

    serializer_class = EntitlementV1Serializer
    input_serializer = EntitlementV1InputSerializer
    filterset_class = CustomerEntitlementFilterSet
    pagination_class = BareArrayPagination
    order_by_fields = ENTITLEMENT_ORDER

    def get_queryset(self) -> QuerySet[Entitlement]:
        return self.theirs()

    @extend_schema(operation_id="listSubjectEntitlements")
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createEntitlement",
        request=EntitlementV1InputSerializer,
        responses={201: EntitlementV1Serializer},
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        return self.create_one()

    @extend_schema(operation_id="getEntitlement")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.present(self.entitlement())

    @extend_schema(operation_id="deleteEntitlement", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        return self.delete_one()

    @extend_schema(
        operation_id="overrideEntitlement",
        request=EntitlementV1InputSerializer,
        responses={201: EntitlementV1Serializer},
    )
    def override(self, request: Request, **kwargs: str) -> Response:
        return self.override_one()


class SubjectEntitlementUsageViewSet(SubjectAccessViewSet):
    """What is left of an entitlement, what became of it, and a new usage period."""

    serializer_class = ValueSerializer
    queryset = Entitlement.objects.none()
    pagination_class = None
    filter_backends: list[Any] = []

    @extend_schema(operation_id="getEntitlementValue", parameters=[ValueQuerySerializer])
    def value(self, request: Request, **kwargs: str) -> Response:
        return Response(value_on_wire(self.value_of_one(), self.serializer_class))

    @extend_schema(
        operation_id="getEntitlementHistory", parameters=[HistoryQuerySerializer], responses=HistorySerializer
    )
    def history(self, request: Request, **kwargs: str) -> Response:
        return self.history_of_one()

    @extend_schema(operation_id="resetEntitlementUsage", request=ResetInputSerializer, responses={204: None})
    def reset(self, request: Request, **kwargs: str) -> Response:
        return self.reset_one()


class SubjectGrantViewSet(SubjectAccessViewSet):
    """The grants of an entitlement."""

    serializer_class = GrantSerializer
    grant_input_serializer = GrantV1InputSerializer
    filterset_class = GrantFilterSet
    pagination_class = BareArrayPagination
    order_by_fields = GRANT_ORDER

    def get_queryset(self) -> QuerySet[Grant]:
        return self.grants()

    @extend_schema(operation_id="listEntitlementGrants")
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createGrant", request=GrantV1InputSerializer, responses={201: GrantSerializer})
    def create(self, request: Request, **kwargs: str) -> Response:
        return self.grant_one()
