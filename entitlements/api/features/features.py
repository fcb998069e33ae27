"""`/features`: create, list, get, archive."""

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.lookups import find
from core.rest.pagination import PageOrBareArrayPagination
from core.rest.views import WireViewSet
from entitlements.api.features.filters import FeatureFilterSet
from entitlements.api.features.serializers import FeatureCreateSerializer, FeatureSerializer
from entitlements.features.archive_feature import archive_feature
from entitlements.features.create_feature import create_feature
from entitlements.features.selectors import features_for_display
from entitlements.models import Feature


class FeatureViewSet(WireViewSet):
    """Deleting archives. An archived feature is shown by its id, with `archivedAt`; its key is free for another."""

    required_scopes = {"GET": "catalog:read", "POST": "catalog:write", "DELETE": "catalog:write"}
    serializer_class = FeatureSerializer
    filterset_class = FeatureFilterSet
    pagination_class = PageOrBareArrayPagination
    order_by_fields = {
        "id": "id",
        "key": "key",
        "name": "name",
        "createdAt": "created_at",
        "updatedAt": "updated_at",
    }
    lookup_url_kwarg = "featureId"

    def get_queryset(self) -> QuerySet[Feature]:
        return features_for_display()

    @extend_schema(operation_id="listFeatures")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createFeature", request=FeatureCreateSerializer, responses={201: FeatureSerializer})
    def create(self, request: Request) -> Response:
        serializer = FeatureCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body = serializer.validated_data
        feature = create_feature(
            key=body["key"],
            name=body["name"],
            meter_key=body.get("meter_slug"),
            meter_filters=serializer.filters(),
            metadata=body.get("metadata"),
        )
        return self.show(feature, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getFeature")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.feature())

    @extend_schema(operation_id="deleteFeature", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        archive_feature(feature=self.feature())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def feature(self) -> Feature:
        unarchived = Q(archived_at=None)
        return find(self.get_queryset(), self.addressed, what="feature", key="key", keyed=unarchived)
