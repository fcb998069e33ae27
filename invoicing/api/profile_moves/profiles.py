"""`/billing/profiles`: how customers are billed, by default or where they are pinned."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.fields import TextField
from core.rest.filters import BooleanFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.api.profile_serializers import (
    ProfileCreateSerializer,
    ProfileReplaceSerializer,
    ProfileSerializer,
    profile_input,
)
from customers.models import BillingProfile
from customers.selectors import profiles_for_display
from customers.services.archive_profile import archive_profile, restore_profile
from invoicing.profile_moves.delete_profile import delete_profile
from invoicing.profile_moves.save_profile import create_profile, update_profile


class ReasonSerializer(WireSerializer):
    reason = TextField(required=False, allow_blank=True)


class ProfileFilterSet(WireFilterSet):
    """Archived profiles, and deleted ones, show only where `includeArchived=true`."""

    includeArchived = BooleanFilter(method="unchanged")
    expand = django_filters.MultipleChoiceFilter(choices=[("apps", "apps")], method="unchanged")

    def unchanged(self, queryset: QuerySet[Any], name: str, value: object) -> QuerySet[Any]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeArchived") else queryset.filter(archived_at=None)


class ExpandSerializer(WireSerializer):
    """Query: `expand=apps`."""

    expand = serializers.MultipleChoiceField(choices=["apps"], required=False)


class ProfileViewSet(WireViewSet):
    """There is always exactly one default. A deleted profile is shown by its id, with `deletedAt`."""

    required_scopes = {
        "GET": "billing:read",
        "POST": "billing:write",
        "PUT": "billing:write",
        "DELETE": "billing:write",
    }
    serializer_class = ProfileSerializer
    filterset_class = ProfileFilterSet
    order_by_fields = {"createdAt": "created_at", "updatedAt": "updated_at", "default": "is_default", "name": "name"}
    lookup_url_kwarg = "profileId"

    def get_queryset(self) -> QuerySet[BillingProfile]:
        return profiles_for_display().select_related("app__stripe_account")

    def get_serializer_context(self) -> dict[str, Any]:
        expanded = self.request.query_params.getlist("expand") if self.request.method == "GET" else []
        return {**super().get_serializer_context(), "apps": "apps" in expanded}

    @extend_schema(operation_id="listBillingProfiles")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createBillingProfile", request=ProfileCreateSerializer, responses={201: ProfileSerializer}
    )
    def create(self, request: Request) -> Response:
        created = create_profile(profile=profile_input(self.read_body(ProfileCreateSerializer)))
        return self.present(created, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getBillingProfile", parameters=[ExpandSerializer])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.found(self.get_queryset()))

    @extend_schema(operation_id="updateBillingProfile", request=ProfileReplaceSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        replacement = profile_input(self.read_body(ProfileReplaceSerializer))
        return self.present(update_profile(profile=self.undeleted(), replacement=replacement))

    @extend_schema(operation_id="deleteBillingProfile", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_profile(profile=self.undeleted())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="archiveBillingProfile", request=ReasonSerializer, responses=ProfileSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, **kwargs: str) -> Response:
        profile = self.undeleted()
        archive_profile(profile=profile, reason=self.read_body(ReasonSerializer).get("reason", ""))
        return self.present(profile)

    @extend_schema(operation_id="restoreBillingProfile", request=ReasonSerializer, responses=ProfileSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, **kwargs: str) -> Response:
        profile = self.undeleted()
        restore_profile(profile=profile, reason=self.read_body(ReasonSerializer).get("reason", ""))
        return self.present(profile)

    def found(self, profiles: QuerySet[BillingProfile]) -> BillingProfile:
        return find(profiles, self.addressed, what="billing profile")

    def undeleted(self) -> BillingProfile:
        return self.found(self.get_queryset().filter(deleted_at=None))

    def present(self, profile: BillingProfile, status: int = status.HTTP_200_OK) -> Response:
        return self.show(self.get_queryset().get(pk=profile.pk), status=status)
