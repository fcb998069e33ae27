"""Profile migrations on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import to_text
from core.rest.fields import CurrencyField, MoneyField, ObjectField, TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.progress import MigrationProgress

_CLIENT_IDS = 10_000


class CriteriaSerializer(WireSerializer):
    """All must fit. `customerId` and `currency` list alternatives; texts match in part, whatever their case."""

    customer_id = serializers.ListField(child=ULIDField(), required=False, min_length=1, max_length=_CLIENT_IDS)
    customer_name = TextField(required=False)
    customer_key = TextField(required=False)
    customer_primary_email = TextField(required=False)
    currency = serializers.ListField(child=CurrencyField(), required=False, min_length=1, max_length=200)


class MigrationInputSerializer(WireSerializer):
    """Without `customers`, everybody whom the source profile bills."""

    from_profile_id = ULIDField()
    to_profile_id = ULIDField()
    customers = CriteriaSerializer(required=False)
    reason = TextField(required=False, allow_blank=True)


class RunInputSerializer(WireSerializer):
    """`limit`: only the next so many customers; the migration then pauses."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=10_000_000)


class StepSerializer(WireSerializer):
    name = TextField()
    done = serializers.BooleanField(source="is_done")
    left = serializers.IntegerField()
    needed = serializers.BooleanField()


class CauseCountSerializer(WireSerializer):
    code = TextField()
    label = TextField()  # type: ignore[assignment]
    severity = TextField()
    count = serializers.IntegerField()


class MigrationSerializer(WireSerializer):
    """The context has `progress` by migration id and, for one alone, its `causes` and `steps`.

    `checking` while a check is under way; `approvedBy` and `createdBy` are names.
    """

    id = ULIDField()
    from_profile_id = ULIDField()
    to_profile_id = ULIDField()
    customers = ObjectField(source="criteria")
    status = serializers.ChoiceField(choices=MigrationStatus.values)
    checking = serializers.SerializerMethodField()
    customer_count = serializers.IntegerField()
    verdicts = serializers.SerializerMethodField()
    outcomes = serializers.SerializerMethodField()
    causes = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()
    created_by = TextField(source="author_name")
    approved_by = serializers.SerializerMethodField()
    created_at = TimeField()
    updated_at = TimeField()
    checked_at = TimeField(required=False)
    approved_at = TimeField(required=False)
    started_at = TimeField(required=False)
    finished_at = TimeField(required=False)

    def get_checking(self, migration: ProfileMigration) -> bool:
        return self._progress(migration).is_checking

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_verdicts(self, migration: ProfileMigration) -> dict[str, int]:
        return dict(self._progress(migration).verdicts)

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_outcomes(self, migration: ProfileMigration) -> dict[str, int]:
        return dict(self._progress(migration).outcomes)

    @extend_schema_field(CauseCountSerializer(many=True, required=False))
    def get_causes(self, migration: ProfileMigration) -> Any:
        causes = self.context.get("causes")
        return None if causes is None else CauseCountSerializer(causes, many=True).data

    @extend_schema_field(StepSerializer(many=True, required=False))
    def get_steps(self, migration: ProfileMigration) -> Any:
        steps = self.context.get("steps")
        return None if steps is None else StepSerializer(steps, many=True).data

    @extend_schema_field(TextField(required=False))
    def get_approved_by(self, migration: ProfileMigration) -> str | None:
        return migration.approver_name or None

    def _progress(self, migration: ProfileMigration) -> MigrationProgress:
        return self.context["progress"][migration.pk]


class LinkSerializer(WireSerializer):
    kind = TextField()
    id = TextField()
    label = TextField()  # type: ignore[assignment]


class CauseSerializer(WireSerializer):
    """`links` are the rows that the cause comes from."""

    code = TextField()
    severity = TextField()
    message = TextField()
    links = LinkSerializer(many=True)


class MigrationItemSerializer(WireSerializer):
    customer_id = ULIDField()
    customer_name = TextField(source="customer.name")
    verdict = serializers.ChoiceField(choices=MoveVerdict.values)
    outcome = serializers.ChoiceField(choices=MoveOutcome.values)
    causes = CauseSerializer(many=True)
    tries = serializers.IntegerField()
    previously_pinned_to = serializers.SerializerMethodField()
    moved_at = TimeField(required=False)
    updated_at = TimeField()

    @extend_schema_field(ULIDField(required=False))
    def get_previously_pinned_to(self, item: MigrationItem) -> str | None:
        return to_text(item.pinned_before_id) if item.pinned_before_id else None


class NextInvoiceSerializer(WireSerializer):
    profile = TextField()
    supplier = TextField()
    app = TextField()
    collection_method = TextField()
    total = MoneyField()
    tax = MoneyField()
    issue_at = TimeField()
    due_at = TimeField()


class MoneyImpactSerializer(WireSerializer):
    """`cause` says why a next invoice can't be worked out."""

    customer_id = ULIDField()
    currency = serializers.SerializerMethodField()
    before = NextInvoiceSerializer(required=False)
    after = NextInvoiceSerializer(required=False)
    difference = MoneyField(required=False)
    cause = serializers.SerializerMethodField()

    @extend_schema_field(CurrencyField(required=False))
    def get_currency(self, impact: Any) -> str | None:
        return impact.currency or None

    @extend_schema_field(TextField(required=False))
    def get_cause(self, impact: Any) -> str | None:
        return impact.cause or None
