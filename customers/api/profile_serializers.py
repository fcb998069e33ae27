"""Billing profiles on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from customers.api.app_serializers import ProfileAppsSerializer, profile_apps
from customers.api.supplier_serializers import (
    PartySerializer,
    SupplierReferenceSerializer,
    show_supplier,
    supplier_input,
)
from customers.api.workflow_serializers import WorkflowSerializer, read_workflow, show_workflow
from customers.effective_settings import profile_values
from customers.models import BillingProfile
from customers.services.profile_input import ProfileInput


class ProfileAppIdsSerializer(WireSerializer):
    """The same app three times: a profile has one."""

    tax = ULIDField()
    invoicing = ULIDField()
    payment = ULIDField()


class ProfileReplaceSerializer(WireSerializer):
    """The app of a profile stays what it is."""

    shown_only = frozenset({"apps", "archivedAt"})

    name = TextField(max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    supplier = SupplierReferenceSerializer()
    default = serializers.BooleanField()
    workflow = WorkflowSerializer()


class ProfileCreateSerializer(ProfileReplaceSerializer):
    apps = ProfileAppIdsSerializer()


def profile_input(body: dict[str, Any]) -> ProfileInput:
    """What the services take, from a validated body."""
    apps = body.get("apps")
    return ProfileInput(
        name=body["name"],
        description=body.get("description"),
        metadata=body.get("metadata", {}),
        supplier=supplier_input(body["supplier"]),
        default=body["default"],
        workflow=read_workflow(body["workflow"]),
        apps=None if apps is None else (apps["tax"], apps["invoicing"], apps["payment"]),
    )


class ProfileSerializer(WireSerializer):
    """The context's `apps` shows the app whole. `archivedAt` is ours beyond the clients' types."""

    id = ULIDField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    archived_at = TimeField(required=False)
    deleted_at = TimeField(required=False)
    supplier = serializers.SerializerMethodField()
    workflow = serializers.SerializerMethodField()
    apps = serializers.SerializerMethodField()
    default = serializers.BooleanField(source="is_default")

    @extend_schema_field(PartySerializer)
    def get_supplier(self, profile: BillingProfile) -> Any:
        return PartySerializer(party_of(profile)).data

    @extend_schema_field(WorkflowSerializer)
    def get_workflow(self, profile: BillingProfile) -> Any:
        return WorkflowSerializer(show_workflow(profile_values(profile))).data

    @extend_schema_field(ProfileAppsSerializer)
    def get_apps(self, profile: BillingProfile) -> Any:
        return profile_apps(profile.app, whole=self.context.get("apps", False))


def party_of(profile: BillingProfile) -> dict[str, Any]:
    """The supplier of a profile as `PartySerializer` writes it: its id as text."""
    shown = show_supplier(profile.supplier)
    return {**shown, "id": ULIDField().to_representation(profile.supplier.id)}
