"""Entitlements and grants on the wire: v2 names the customer, v1 one of its subjects."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import clock
from core.ids import to_text
from core.rest.fields import KeyField, NumberField, ObjectField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.wire_json import utc_text
from entitlements.access.burndown import counted_from, usage_period_at
from entitlements.access.chains import chained_schedule
from entitlements.access.facts import next_recurrence
from entitlements.access.grant_input import MAX_PRIORITY
from entitlements.access.intervals import EXPIRATIONS, word_of
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement, Grant


class WirePeriodSerializer(WireSerializer):
    """Half-open: `to` is the first moment after it."""

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` is a word of Python's, so it can't be declared.
        return {"from": TimeField(source="start"), "to": TimeField(source="end")}


class RecurrenceSerializer(WireSerializer):
    """`interval` is DAY, WEEK, MONTH, YEAR or, like `intervalISO`, an ISO 8601 duration."""

    interval = TextField()
    anchor = TimeField()

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), "intervalISO": TextField(source="iso")}


class IssueSerializer(WireSerializer):
    amount = NumberField()
    priority = serializers.IntegerField(min_value=0, max_value=MAX_PRIORITY, required=False)


class ExpirationSerializer(WireSerializer):
    duration = serializers.ChoiceField(choices=EXPIRATIONS)
    count = serializers.IntegerField(min_value=1, max_value=10**6)


class EntitlementSerializer(WireSerializer):
    """What both versions show. Expects resets and what it continues to be loaded: see `entitlements_for_display`."""

    id = ULIDField()
    type = serializers.ChoiceField(choices=EntitlementType.values)
    feature_key = KeyField()
    feature_id = ULIDField()
    active_from = TimeField()
    active_to = TimeField(required=False)
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)
    metadata = TextMapField()
    annotations = serializers.SerializerMethodField()
    config = TextField(required=False)
    is_soft_limit = serializers.SerializerMethodField()
    preserve_overage_at_reset = serializers.SerializerMethodField()
    issue_after_reset = NumberField(required=False)
    issue_after_reset_priority = serializers.SerializerMethodField()
    measure_usage_from = TimeField(required=False)
    usage_period = serializers.SerializerMethodField()
    current_usage_period = serializers.SerializerMethodField()
    last_reset = serializers.SerializerMethodField()

    @extend_schema_field(ObjectField(required=False))
    def get_annotations(self, entitlement: Entitlement) -> dict[str, str] | None:
        """What manages it."""
        if entitlement.managed_in is None or entitlement.managed_by is None:
            return None
        names = {f"subscription.{name}.key": key for name, key in entitlement.managed_keys.items()}
        return names | {
            "subscription.id": to_text(entitlement.managed_in),
            "subscription.item.id": to_text(entitlement.managed_by),
        }

    @extend_schema_field(serializers.BooleanField(required=False))
    def get_is_soft_limit(self, entitlement: Entitlement) -> bool | None:
        return entitlement.soft_limit if _is_metered(entitlement) else None

    @extend_schema_field(serializers.BooleanField(required=False))
    def get_preserve_overage_at_reset(self, entitlement: Entitlement) -> bool | None:
        return entitlement.preserve_overage if _is_metered(entitlement) else None

    @extend_schema_field(serializers.IntegerField(required=False))
    def get_issue_after_reset_priority(self, entitlement: Entitlement) -> int | None:
        return None if entitlement.issue_after_reset is None else entitlement.issue_priority

    @extend_schema_field(RecurrenceSerializer(required=False))
    def get_usage_period(self, entitlement: Entitlement) -> dict[str, Any] | None:
        """As it is now: a reset may have moved the anchor."""
        schedule, interval = chained_schedule(entitlement), entitlement.usage_period
        if schedule is None or interval is None:
            return None
        rhythm = schedule.usage_period
        for reset in schedule.resets:
            rhythm = reset.rhythm_after(rhythm)
        return _recurring(interval, rhythm.anchor)

    @extend_schema_field(WirePeriodSerializer(required=False))
    def get_current_usage_period(self, entitlement: Entitlement) -> dict[str, Any] | None:
        schedule = chained_schedule(entitlement)
        return (
            None
            if schedule is None
            else dict(WirePeriodSerializer(usage_period_at(schedule, _looked_at(entitlement))).data)
        )

    @extend_schema_field(TimeField(required=False))
    def get_last_reset(self, entitlement: Entitlement) -> str | None:
        schedule = chained_schedule(entitlement)
        if schedule is None or not _is_metered(entitlement):
            return None
        return utc_text(counted_from(schedule, _looked_at(entitlement)))


class EntitlementV2Serializer(EntitlementSerializer):
    """Names the customer."""

    customer_id = ULIDField()
    customer_key = TextField(source="customer.key", required=False)
    issue = serializers.SerializerMethodField()

    @extend_schema_field(IssueSerializer(required=False))
    def get_issue(self, entitlement: Entitlement) -> dict[str, Any] | None:
        if entitlement.issue_after_reset is None:
            return None
        return {"amount": entitlement.issue_after_reset, "priority": entitlement.issue_priority}


class EntitlementV1Serializer(EntitlementSerializer):
    """Names a subject: the one that was asked for, else the customer's first, else the customer itself."""

    subject_key = serializers.SerializerMethodField()

    @extend_schema_field(TextField())
    def get_subject_key(self, entitlement: Entitlement) -> str:
        asked = self.context.get("subject_key")
        if asked is not None:
            return str(asked)
        customer = entitlement.customer
        subjects = getattr(customer, "current_subjects", ())
        return subjects[0].key if subjects else customer.key or to_text(customer.pk)


class GrantSerializer(WireSerializer):
    """A voided one shows `voidedAt`, which `deletedAt` repeats. Expects the entitlement to be loaded."""

    id = ULIDField()
    entitlement_id = ULIDField()
    amount = NumberField()
    priority = serializers.IntegerField()
    effective_at = TimeField()
    expiration = serializers.SerializerMethodField()
    expires_at = TimeField(required=False)
    max_rollover_amount = NumberField(source="max_rollover")
    min_rollover_amount = NumberField(source="min_rollover")
    recurrence = serializers.SerializerMethodField()
    next_recurrence = serializers.SerializerMethodField()
    metadata = TextMapField()
    annotations = ObjectField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(source="voided_at", required=False)
    voided_at = TimeField(required=False)

    @extend_schema_field(ExpirationSerializer(required=False))
    def get_expiration(self, grant: Grant) -> dict[str, Any] | None:
        if grant.expiration_duration is None:
            return None
        return {"duration": grant.expiration_duration, "count": grant.expiration_count}

    @extend_schema_field(RecurrenceSerializer(required=False))
    def get_recurrence(self, grant: Grant) -> dict[str, Any] | None:
        if grant.recurrence is None or grant.recurrence_anchor is None:
            return None
        return _recurring(grant.recurrence, grant.recurrence_anchor)

    @extend_schema_field(TimeField(required=False))
    def get_next_recurrence(self, grant: Grant) -> str | None:
        moment = next_recurrence(grant, grant.entitlement.time_zone, clock.now())
        return None if moment is None else utc_text(moment)


def _is_metered(entitlement: Entitlement) -> bool:
    return entitlement.type == EntitlementType.METERED


def _recurring(interval: str, anchor: datetime) -> dict[str, Any]:
    return dict(RecurrenceSerializer({"interval": word_of(interval), "iso": interval, "anchor": anchor}).data)


def _looked_at(entitlement: Entitlement) -> datetime:
    """Now, or the nearest moment at which it is active."""
    now = clock.now()
    if entitlement.active_to is not None and entitlement.active_to <= now:
        now = entitlement.active_to
    return max(now, entitlement.active_from)
