"""`/billing/profile-migrations`: moving customers from one billing profile to another."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.ids import to_text
from core.rest.filters import AnyIdFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.models import BillingProfile, Customer
from invoicing.api.profile_moves.migration_serializers import (
    MigrationInputSerializer,
    MigrationItemSerializer,
    MigrationSerializer,
    MoneyImpactSerializer,
    RunInputSerializer,
)
from invoicing.api.profile_moves.profiles import ReasonSerializer
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict, ShardKind
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration, checked_at_once
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.make_default_profile import make_default_profile
from invoicing.profile_moves.pause_migration import cancel_migration, pause_migration
from invoicing.profile_moves.pin_unpinned import AT_ONCE, start_pinning
from invoicing.profile_moves.preview_move import MOST_AT_ONCE, preview_move
from invoicing.profile_moves.progress import causes_in, progress_of, steps_of
from invoicing.profile_moves.retry_move import retry_failed, retry_move
from invoicing.profile_moves.run_migration import resume_migration, run_migration
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.tasks import work_migrations
from invoicing.profile_moves.work_migration_shard import pinned_at_once, work_off_migration


class MigrationFilterSet(WireFilterSet):
    status = django_filters.MultipleChoiceFilter(choices=MigrationStatus.choices)


class MigrationItemFilterSet(WireFilterSet):
    """`cause` keeps those at whom it was found."""

    verdict = django_filters.MultipleChoiceFilter(choices=MoveVerdict.choices)
    outcome = django_filters.MultipleChoiceFilter(choices=MoveOutcome.choices)
    customerId = AnyIdFilter(field_name="customer_id")
    cause = django_filters.CharFilter(method="by_cause")

    def by_cause(self, queryset: QuerySet[MigrationItem], name: str, value: str) -> QuerySet[MigrationItem]:
        return queryset.filter(causes__contains=[{"code": value}])


class PinnedSerializer(WireSerializer):
    pinned = serializers.IntegerField()


class PinningSerializer(PinnedSerializer):
    """`pinning`, where there are too many to wait for: so many are being pinned by the workers."""

    pinning = serializers.IntegerField(required=False)


class RetriedSerializer(WireSerializer):
    retried = serializers.IntegerField()


class _MigrationView(WireViewSet):
    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    lookup_url_kwarg = "migrationId"

    @property
    def migration(self) -> ProfileMigration:
        migrations = ProfileMigration.objects.select_related(
            "from_profile__supplier", "from_profile__app", "to_profile__supplier", "to_profile__app"
        )
        return find(migrations, self.kwargs["migrationId"], what="profile migration")

    def reason(self) -> str:
        return str(self.read_body(ReasonSerializer).get("reason", ""))


class MigrationViewSet(_MigrationView):
    """Draft, check, approve, run; pause, resume or cancel on the way. Workers do the moving: poll the status."""

    serializer_class = MigrationSerializer
    filterset_class = MigrationFilterSet
    order_by_fields = {"createdAt": "created_at"}
    default_order = "DESC"

    def get_queryset(self) -> QuerySet[ProfileMigration]:
        return ProfileMigration.objects.all()

    @extend_schema(operation_id="listProfileMigrations")
    def list(self, request: Request) -> Response:
        migrations = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        context = {"progress": progress_of(migrations)}
        return self.get_paginated_response(MigrationSerializer(migrations, many=True, context=context).data)

    @extend_schema(
        operation_id="createProfileMigration", request=MigrationInputSerializer, responses={201: MigrationSerializer}
    )
    def create(self, request: Request) -> Response:
        body = self.read_body(MigrationInputSerializer)
        drafted = draft_migration(
            from_profile=_profile(body["from_profile_id"], "fromProfileId"),
            to_profile=_profile(body["to_profile_id"], "toProfileId"),
            criteria=_criteria(body.get("customers", {})),
            reason=body.get("reason", ""),
        )
        return self.present(drafted, status.HTTP_201_CREATED)

    @extend_schema(operation_id="getProfileMigration")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.present(self.migration)

    @extend_schema(operation_id="checkProfileMigration", request=None, responses=MigrationSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, **kwargs: str) -> Response:
        """A small one is checked at once; of a larger one `checking` says that workers are at it."""
        migration = check_migration(migration=self.migration)
        if checked_at_once(migration):
            work_off_migration(migration, ShardKind.CHECK)
        else:
            transaction.on_commit(work_migrations.delay)
        return self.present(migration)

    @extend_schema(operation_id="approveProfileMigration", request=ReasonSerializer, responses=MigrationSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, **kwargs: str) -> Response:
        return self.present(approve_migration(migration=self.migration, reason=self.reason()))

    @extend_schema(operation_id="runProfileMigration", request=RunInputSerializer, responses=MigrationSerializer)
    @action(detail=True, methods=["post"])
    def run(self, request: Request, **kwargs: str) -> Response:
        return self._run(run_migration)

    @extend_schema(operation_id="resumeProfileMigration", request=RunInputSerializer, responses=MigrationSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, **kwargs: str) -> Response:
        return self._run(resume_migration)

    @extend_schema(operation_id="pauseProfileMigration", request=ReasonSerializer, responses=MigrationSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, **kwargs: str) -> Response:
        return self.present(pause_migration(migration=self.migration, reason=self.reason()))

    @extend_schema(operation_id="cancelProfileMigration", request=ReasonSerializer, responses=MigrationSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **kwargs: str) -> Response:
        return self.present(cancel_migration(migration=self.migration, reason=self.reason()))

    @extend_schema(operation_id="retryFailedProfileMigration", request=None, responses=RetriedSerializer)
    @action(detail=True, methods=["post"], url_path="retry-failed")
    def retry_failed(self, request: Request, **kwargs: str) -> Response:
        count = retry_failed(migration=self.migration)
        transaction.on_commit(work_migrations.delay)
        return Response({"retried": count})

    @extend_schema(operation_id="pinUnpinnedOfProfileMigration", request=ReasonSerializer, responses=PinningSerializer)
    @action(detail=True, methods=["post"], url_path="pin-unpinned")
    def pin_unpinned(self, request: Request, **kwargs: str) -> Response:
        """The second step: pins everybody who follows the source, the default, to it."""
        shard = start_pinning(migration=self.migration, reason=self.reason())
        if shard is None:
            return Response({"pinned": 0})
        if shard.total > AT_ONCE:
            transaction.on_commit(work_migrations.delay)
            return Response({"pinned": 0, "pinning": shard.total})
        return Response({"pinned": pinned_at_once(shard)})

    @extend_schema(operation_id="switchDefaultOfProfileMigration", request=ReasonSerializer, responses=PinnedSerializer)
    @action(detail=True, methods=["post"], url_path="switch-default")
    def switch_default(self, request: Request, **kwargs: str) -> Response:
        """The third step: makes the target the default; `pinned` customers were kept on the old one."""
        return Response({"pinned": make_default_profile(profile=self.migration.to_profile, reason=self.reason())})

    def _run(self, start: Callable[..., ProfileMigration]) -> Response:
        migration = start(migration=self.migration, limit=self.read_body(RunInputSerializer).get("limit"))
        transaction.on_commit(work_migrations.delay)
        return self.present(migration)

    def present(self, migration: ProfileMigration, status: int = status.HTTP_200_OK) -> Response:
        fresh = ProfileMigration.objects.select_related("from_profile", "to_profile").get(pk=migration.pk)
        progress = progress_of([fresh])
        context = {
            "progress": progress,
            "causes": causes_in(fresh),
            "steps": steps_of(fresh, progress[fresh.pk]),
        }
        return Response(MigrationSerializer(fresh, context=context).data, status=status)


class MigrationItemViewSet(_MigrationView):
    """The customers of a migration, in the order in which they move."""

    serializer_class = MigrationItemSerializer
    filterset_class = MigrationItemFilterSet
    queryset = MigrationItem.objects.none()

    @extend_schema(operation_id="listProfileMigrationItems")
    def list(self, request: Request, **kwargs: str) -> Response:
        rows = MigrationItem.objects.filter(migration=self.migration).select_related("customer").order_by("id")
        return self.show_page(self.filter_queryset(rows))

    @extend_schema(
        operation_id="listProfileMigrationImpacts", responses=MoneyImpactSerializer(many=True), filters=False
    )
    def impacts(self, request: Request, **kwargs: str) -> Response:
        """The next invoice of each of the first customers, under the old and under the new terms."""
        migration = self.migration
        first = migration.items.order_by("id").values_list("customer_id", flat=True)[:MOST_AT_ONCE]
        return self._impacts(migration, list(first))

    @extend_schema(operation_id="getProfileMigrationImpact", responses=MoneyImpactSerializer(many=True), filters=False)
    def impact(self, request: Request, **kwargs: str) -> Response:
        migration = self.migration
        return self._impacts(migration, [self.customer(migration).pk])

    @extend_schema(operation_id="retryProfileMigrationItem", request=None, responses=MigrationItemSerializer)
    def retry(self, request: Request, **kwargs: str) -> Response:
        """Looks again, and moves the customer where nothing is in the way: the item says what came of it."""
        migration = self.migration
        return self.show(retry_move(migration=migration, customer=self.customer(migration)))

    @extend_schema(
        operation_id="takeBackProfileMigrationItem", request=ReasonSerializer, responses=MigrationItemSerializer
    )
    def take_back(self, request: Request, **kwargs: str) -> Response:
        migration = self.migration
        return self.show(take_back(migration=migration, customer=self.customer(migration), reason=self.reason()))

    def customer(self, migration: ProfileMigration) -> Customer:
        theirs = Customer.objects.filter(migration_items__migration=migration)
        return find(theirs, self.kwargs["customerId"], what="customer", key="key")

    def _impacts(self, migration: ProfileMigration, customer_ids: Any) -> Response:
        impacts = preview_move(migration=migration, customer_ids=customer_ids)
        return Response(MoneyImpactSerializer(impacts, many=True).data)


def _profile(identity: Any, field: str) -> BillingProfile:
    profile = BillingProfile.objects.select_related("supplier", "app").filter(pk=identity, deleted_at=None).first()
    if profile is None:
        raise field_error(field, "unknown_profile", "There is no such billing profile. Nothing was saved.")
    return profile


def _criteria(body: dict[str, Any]) -> dict[str, Any]:
    """The criteria by their wire names, as the migration keeps them."""
    names = {
        "customer_name": "customerName",
        "customer_key": "customerKey",
        "customer_primary_email": "customerPrimaryEmail",
        "currency": "currency",
    }
    criteria = {wire: body[name] for name, wire in names.items() if name in body}
    if "customer_id" in body:
        criteria["customerId"] = [to_text(identity) for identity in body["customer_id"]]
    return criteria
