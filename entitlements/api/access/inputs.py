"""What is sent to create entitlements and grants, read as the services take it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.errors import field_error
from core.rest.fields import KeyField, NumberField, ObjectField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.times import parse_rfc3339
from entitlements.access.entitlement_input import NOW, PRESETS, EntitlementInput
from entitlements.access.grant_input import MAX_PRIORITY, GrantInput
from entitlements.api.access.serializers import ExpirationSerializer, IssueSerializer
from entitlements.choices import EntitlementType


@extend_schema_field({"oneOf": [{"type": "string", "enum": list(PRESETS)}, {"type": "string", "format": "date-time"}]})
class MeasureFromField(serializers.Field):
    """A time, or a word for one."""

    default_error_messages = {"invalid": f"Must be an RFC 3339 time with an offset, or one of {', '.join(PRESETS)}."}

    def to_internal_value(self, data: Any) -> datetime | str:
        if data in PRESETS:
            return str(data)
        moment = parse_rfc3339(data) if isinstance(data, str) else None
        if moment is None:
            self.fail("invalid")
        return moment


class RecurringInputSerializer(WireSerializer):
    """`interval`: DAY, WEEK, MONTH, YEAR or an ISO 8601 duration of whole days or whole months."""

    interval = TextField(max_length=32)
    anchor = TimeField(required=False)


class GrantV2InputSerializer(WireSerializer):
    """Without `maxRolloverAmount`, a reset keeps all that is left; without `expiration`, it never ends."""

    amount = NumberField()
    priority = serializers.IntegerField(min_value=0, max_value=MAX_PRIORITY, required=False, default=1)
    effective_at = TimeField()
    expiration = ExpirationSerializer(required=False)
    max_rollover_amount = NumberField(required=False)
    min_rollover_amount = NumberField(required=False)
    recurrence = RecurringInputSerializer(required=False)
    metadata = TextMapField(required=False)
    annotations = ObjectField(required=False)


class GrantV1InputSerializer(WireSerializer):
    """Without `maxRolloverAmount`, a reset keeps nothing."""

    amount = NumberField()
    priority = serializers.IntegerField(min_value=0, max_value=MAX_PRIORITY, required=False, default=1)
    effective_at = TimeField()
    expiration = ExpirationSerializer()
    max_rollover_amount = NumberField(required=False, default=Decimal(0))
    min_rollover_amount = NumberField(required=False)
    recurrence = RecurringInputSerializer(required=False)
    metadata = TextMapField(required=False)


class EntitlementV1InputSerializer(WireSerializer):
    """`isUnlimited` is taken and says nothing."""

    type = serializers.ChoiceField(choices=EntitlementType.values)
    feature_key = KeyField(required=False)
    feature_id = ULIDField(required=False)
    metadata = TextMapField(required=False)
    usage_period = RecurringInputSerializer(required=False)
    measure_usage_from = MeasureFromField(required=False)
    is_soft_limit = serializers.BooleanField(required=False, default=False)
    is_unlimited = serializers.BooleanField(required=False)
    preserve_overage_at_reset = serializers.BooleanField(required=False, default=False)
    issue_after_reset = NumberField(required=False)
    issue_after_reset_priority = serializers.IntegerField(min_value=0, max_value=MAX_PRIORITY, required=False)
    config = TextField(required=False, max_length=None, trim_whitespace=False)


class EntitlementV2InputSerializer(WireSerializer):
    """`issue` says what `issueAfterReset` and its priority say; `grants` are made along with it."""

    type = serializers.ChoiceField(choices=EntitlementType.values)
    feature_key = KeyField(required=False)
    feature_id = ULIDField(required=False)
    metadata = TextMapField(required=False)
    usage_period = RecurringInputSerializer(required=False)
    measure_usage_from = MeasureFromField(required=False)
    is_soft_limit = serializers.BooleanField(required=False, default=False)
    preserve_overage_at_reset = serializers.BooleanField(required=False, default=False)
    issue_after_reset = NumberField(required=False)
    issue_after_reset_priority = serializers.IntegerField(min_value=0, max_value=MAX_PRIORITY, required=False)
    issue = IssueSerializer(required=False)
    grants = GrantV2InputSerializer(many=True, required=False)
    config = TextField(required=False, max_length=None, trim_whitespace=False)


class ResetInputSerializer(WireSerializer):
    """Without `effectiveAt`, now; without `preserveOverage`, as the entitlement has it."""

    effective_at = TimeField(required=False)
    retain_anchor = serializers.BooleanField(required=False, default=False)
    preserve_overage = serializers.BooleanField(required=False)


def entitlement_input(body: dict[str, Any]) -> EntitlementInput:
    """The body as the services take it; InvalidInput where it says two amounts to issue."""
    issue = body.get("issue")
    if issue is not None and body.get("issue_after_reset", issue["amount"]) != issue["amount"]:
        raise field_error("issue", "said_twice", "Give issue or issueAfterReset: they differ. Nothing was saved.")
    if issue is None and "issue_after_reset" in body:
        issue = {"amount": body["issue_after_reset"], "priority": body.get("issue_after_reset_priority", 1)}
    return EntitlementInput(
        type=body["type"],
        feature_key=body.get("feature_key"),
        feature_id=body.get("feature_id"),
        usage_period=_recurring(body.get("usage_period")),
        measure_usage_from=body.get("measure_usage_from", NOW),
        issue=None if issue is None else (issue["amount"], issue.get("priority", 1)),
        soft_limit=body["is_soft_limit"],
        preserve_overage=body["preserve_overage_at_reset"],
        grants=tuple(grant_input(grant) for grant in body.get("grants", ())),
        config=body.get("config"),
        metadata=body.get("metadata", {}),
    )


def grant_input(body: dict[str, Any]) -> GrantInput:
    """The body as the services take it."""
    expiration = body.get("expiration")
    return GrantInput(
        amount=body["amount"],
        effective_at=body["effective_at"],
        priority=body["priority"],
        expiration=None if expiration is None else (expiration["duration"], expiration["count"]),
        max_rollover=body.get("max_rollover_amount"),
        min_rollover=body.get("min_rollover_amount", Decimal(0)),
        recurrence=_recurring(body.get("recurrence")),
        metadata=body.get("metadata", {}),
        annotations=body.get("annotations", {}),
    )


def _recurring(body: dict[str, Any] | None) -> tuple[str, datetime | None] | None:
    return None if body is None else (body["interval"], body.get("anchor"))
