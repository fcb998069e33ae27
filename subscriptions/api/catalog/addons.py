"""`/addons`: draft, change, publish, archive; and `/plans/{planId}/addons`: which of them a plan offers."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import field_error
from core.ids import from_text
from core.rest.filters import AnyIdFilter, AnyOfFilter, BooleanFilter, WireFilterSet
from core.rest.lookups import missing
from core.rest.views import WireViewSet
from subscriptions.api.catalog.addon_serializers import (
    STATUSES,
    AddOnCreateSerializer,
    AddOnSerializer,
    AddOnUpdateSerializer,
    PlanAddOnCreateSerializer,
    PlanAddOnSerializer,
    PlanAddOnUpdateSerializer,
    addon_terms,
)
from subscriptions.api.catalog.plan_filters import KEY_VERSION, PlanFilterSet, key_versions
from subscriptions.catalog.addon_selectors import addon_addressed, addons_for_display, plan_addons_for_display
from subscriptions.catalog.offer_addon import change_offer, offer_addon, withdraw_offer
from subscriptions.catalog.plan_selectors import plan_addressed
from subscriptions.catalog.publish_addon import archive_addon, delete_addon, publish_addon
from subscriptions.catalog.save_addon import create_addon, update_addon
from subscriptions.models import AddOn, Plan, PlanAddOn

SCOPES = {"GET": "catalog:read"} | dict.fromkeys(("POST", "PUT", "DELETE"), "catalog:write")


class AddOnFilterSet(PlanFilterSet):
    """As for plans; an add-on is never scheduled."""

    status = django_filters.MultipleChoiceFilter(choices=[(name, name) for name in STATUSES], method="by_status")


class AddOnViewSet(WireViewSet):
    """A path takes a version's id or an add-on's key: the key means the active version, or else the newest."""

    required_scopes = SCOPES
    serializer_class = AddOnSerializer
    filterset_class = AddOnFilterSet
    order_by_fields = {name: name for name in ("id", "key", "version", "created_at", "updated_at")}
    lookup_url_kwarg = "addonId"

    def get_queryset(self) -> QuerySet[AddOn]:
        return addons_for_display()

    @extend_schema(operation_id="listAddons", parameters=[KEY_VERSION])
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createAddon", request=AddOnCreateSerializer, responses={201: AddOnSerializer})
    def create(self, request: Request) -> Response:
        """The key of an add-on that was published makes its next version."""
        body = self.read_body(AddOnCreateSerializer)
        addon = create_addon(
            key=body["key"],
            terms=addon_terms(body),
            description=body.get("description"),
            metadata=body.get("metadata"),
        )
        return self.present(addon, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getAddon", parameters=[OpenApiParameter("includeLatest", bool)])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        latest = request.query_params.get("includeLatest") == "true"
        return self.present(addon_addressed(self.addressed, at=clock.now(), latest=latest))

    @extend_schema(operation_id="updateAddon", request=AddOnUpdateSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        addon = self.draft()
        body = self.read_body(AddOnUpdateSerializer)
        updated = update_addon(
            addon=addon, terms=addon_terms(body), description=body.get("description"), metadata=body.get("metadata")
        )
        return self.present(updated)

    @extend_schema(operation_id="deleteAddon", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_addon(addon=self.draft())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="publishAddon", request=None)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, **kwargs: str) -> Response:
        return self.present(publish_addon(addon=self.draft()))

    @extend_schema(operation_id="archiveAddon", request=None)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, **kwargs: str) -> Response:
        return self.present(archive_addon(addon=addon_addressed(self.addressed, at=clock.now())))

    def draft(self) -> AddOn:
        """What changes a draft means, by an add-on's key, its newest version."""
        return addon_addressed(self.addressed, at=clock.now(), latest=True)

    def present(self, addon: AddOn, status: int = status.HTTP_200_OK) -> Response:
        return self.show(self.get_queryset().get(pk=addon.pk), status=status)


class PlanAddOnFilterSet(WireFilterSet):
    """Repeated keys mean any of them; `keyVersion[boost]=1` a version. An offer that was withdrawn is gone."""

    id = AnyIdFilter(field_name="addon_id")
    key = AnyOfFilter(field_name="addon__key")
    includeDeleted = BooleanFilter(method="unchanged")

    def unchanged(self, queryset: QuerySet[PlanAddOn], name: str, value: object) -> QuerySet[PlanAddOn]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset).filter(key_versions(self.request.query_params, "addon__"))


class PlanAddOnViewSet(WireViewSet):
    """In these paths `planAddonId` is the add-on's id, or its key."""

    required_scopes = SCOPES
    serializer_class = PlanAddOnSerializer
    filterset_class = PlanAddOnFilterSet
    order_by_fields = {
        "id": "addon_id",
        "key": "addon__key",
        "version": "addon__version",
        "created_at": "created_at",
        "updated_at": "updated_at",
    }
    lookup_url_kwarg = "planAddonId"

    def get_queryset(self) -> QuerySet[PlanAddOn]:
        offers = plan_addons_for_display()
        if getattr(self, "swagger_fake_view", False):
            return offers.none()
        return offers.filter(plan=self.plan())

    @extend_schema(operation_id="listPlanAddons", parameters=[KEY_VERSION])
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createPlanAddon", request=PlanAddOnCreateSerializer, responses={201: PlanAddOnSerializer}
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        plan = self.plan()
        body = self.read_body(PlanAddOnCreateSerializer)
        addon = AddOn.objects.filter(pk=body.pop("addon_id"), deleted_at=None).first()
        if addon is None:
            raise field_error("addonId", "addon_not_found", "There is no such add-on.")
        offer = offer_addon(plan=plan, addon=addon, **body)
        return self.show(self.get_queryset().get(pk=offer.pk), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getPlanAddon")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.offer())

    @extend_schema(operation_id="updatePlanAddon", request=PlanAddOnUpdateSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        body = self.read_body(PlanAddOnUpdateSerializer)
        changed = change_offer(
            offer=self.offer(),
            from_plan_phase=body["from_plan_phase"],
            max_quantity=body.get("max_quantity"),
            metadata=body.get("metadata"),
        )
        return self.show(self.get_queryset().get(pk=changed.pk))

    @extend_schema(operation_id="deletePlanAddon", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        withdraw_offer(offer=self.offer())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def plan(self) -> Plan:
        return plan_addressed(self.kwargs["planId"], at=clock.now())

    def offer(self) -> PlanAddOn:
        identity = from_text(self.addressed)
        offers = self.get_queryset().select_related("plan", "addon")
        found = offers.filter(addon_id=identity).first() if identity else None
        if found is None and "\x00" not in self.addressed:
            found = offers.filter(addon__key=self.addressed).order_by("-addon__version").first()
        if found is None:
            raise missing("add-on of this plan", self.addressed)
        return found
