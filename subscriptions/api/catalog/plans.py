"""`/plans`: draft, change, publish, archive, make the next version."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.rest.views import WireViewSet
from subscriptions.api.catalog.plan_filters import KEY_VERSION, PlanFilterSet
from subscriptions.api.catalog.plan_serializers import (
    PlanCreateSerializer,
    PlanSerializer,
    PlanUpdateSerializer,
    plan_terms,
)
from subscriptions.catalog.create_plan import create_next_version, create_plan
from subscriptions.catalog.delete_plan import delete_plan
from subscriptions.catalog.plan_selectors import plan_addressed, plans_for_display
from subscriptions.catalog.publish_plan import archive_plan, publish_plan
from subscriptions.catalog.update_plan import update_plan
from subscriptions.models import Plan


class PlanViewSet(WireViewSet):
    """A path takes a version's id or a plan's key: the key means the active version, or else the newest."""

    required_scopes = {
        "GET": "catalog:read",
        "POST": "catalog:write",
        "PUT": "catalog:write",
        "DELETE": "catalog:write",
    }
    serializer_class = PlanSerializer
    filterset_class = PlanFilterSet
    order_by_fields = {
        "id": "id",
        "key": "key",
        "version": "version",
        "created_at": "created_at",
        "updated_at": "updated_at",
    }
    lookup_url_kwarg = "planId"

    def get_queryset(self) -> QuerySet[Plan]:
        return plans_for_display()

    @extend_schema(operation_id="listPlans", parameters=[KEY_VERSION])
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createPlan", request=PlanCreateSerializer, responses={201: PlanSerializer})
    def create(self, request: Request) -> Response:
        """The key of a plan that was published makes its next version."""
        body = self.read_body(PlanCreateSerializer)
        plan = create_plan(
            key=body["key"],
            terms=plan_terms(body),
            description=body.get("description"),
            metadata=body.get("metadata"),
        )
        return self.present(plan, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getPlan", parameters=[OpenApiParameter("includeLatest", bool)])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        latest = request.query_params.get("includeLatest") == "true"
        return self.present(plan_addressed(self.addressed, at=clock.now(), latest=latest))

    @extend_schema(operation_id="updatePlan", request=PlanUpdateSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        plan = self.draft()
        body = self.read_body(PlanUpdateSerializer)
        updated = update_plan(
            plan=plan, terms=plan_terms(body), description=body.get("description"), metadata=body.get("metadata")
        )
        return self.present(updated)

    @extend_schema(operation_id="deletePlan", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_plan(plan=self.draft())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="publishPlan", request=None)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, **kwargs: str) -> Response:
        return self.present(publish_plan(plan=self.draft()))

    @extend_schema(operation_id="archivePlan", request=None)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, **kwargs: str) -> Response:
        return self.present(archive_plan(plan=plan_addressed(self.addressed, at=clock.now())))

    @extend_schema(operation_id="nextPlan", request=None, responses={201: PlanSerializer})
    @action(detail=True, methods=["post"])
    def next(self, request: Request, **kwargs: str) -> Response:
        plan = plan_addressed(self.addressed, at=clock.now())
        return self.present(create_next_version(plan=plan), status.HTTP_201_CREATED)

    def draft(self) -> Plan:
        """What changes a draft means, by a plan's key, its newest version."""
        by_key = plan_addressed(self.addressed, at=clock.now(), latest=True)
        return by_key if by_key.key == self.addressed else plan_addressed(self.addressed, at=clock.now())

    def present(self, plan: Plan, status: int = status.HTTP_200_OK) -> Response:
        return self.show(self.get_queryset().get(pk=plan.pk), status=status)
