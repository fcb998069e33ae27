"""Channels, rules and events on the wire."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import to_text
from core.notifications.choices import DeliveryState, EventType, ThresholdType
from core.notifications.models import Attempt, Channel, Delivery, Event, Rule
from core.notifications.selectors import next_attempt_at, reason_of, state_of
from core.notifications.services.deliver_webhooks import custom_headers
from core.notifications.services.save_channel import KEPT
from core.rest.fields import KeyField, NumberField, ObjectField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from core.rest.wire_json import loads

WEBHOOK = "WEBHOOK"
_CHANNEL_TYPES = serializers.ChoiceField(choices=[WEBHOOK])


class ChannelInputSerializer(WireSerializer):
    """`signingSecret`: drawn where a new channel has none; kept where a PUT leaves it out. A header whose value is
    given as it is shown keeps its value."""

    shown_only = frozenset({"annotations"})

    type = serializers.ChoiceField(choices=[WEBHOOK])
    name = TextField(max_length=256)
    url = TextField(max_length=2048)
    custom_headers = TextMapField(required=False)
    signing_secret = TextField(required=False, max_length=128)
    disabled = serializers.BooleanField(required=False)
    metadata = TextMapField(required=False)


class NotificationChannelSerializer(WireSerializer):
    """The secret only in the answer to what drew or set it, by the context's `secret`; of headers, the names."""

    id = ULIDField()
    type = serializers.SerializerMethodField()
    name = TextField()
    url = TextField()
    custom_headers = serializers.SerializerMethodField()
    signing_secret = serializers.SerializerMethodField()
    disabled = serializers.BooleanField()
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)

    @extend_schema_field(_CHANNEL_TYPES)
    def get_type(self, channel: Channel) -> str:
        return WEBHOOK

    @extend_schema_field(TextMapField())
    def get_custom_headers(self, channel: Channel) -> dict[str, str]:
        return dict.fromkeys(custom_headers(channel), KEPT)

    @extend_schema_field(TextField(required=False))
    def get_signing_secret(self, channel: Channel) -> str | None:
        secret: str | None = self.context.get("secret")
        return secret


class UsageThresholdSerializer(WireSerializer):
    value = NumberField(minimum=0)
    type = serializers.ChoiceField(choices=ThresholdType.values)


class RuleInputSerializer(WireSerializer):
    """`thresholds` for balance thresholds only, `features` (ids or keys) for what is about features."""

    shown_only = frozenset({"annotations"})

    type = serializers.ChoiceField(choices=EventType.values)
    name = TextField(max_length=256)
    channels = serializers.ListField(child=ULIDField(), max_length=100)
    thresholds = serializers.ListField(child=UsageThresholdSerializer(), required=False, max_length=100)
    features = serializers.ListField(child=TextField(max_length=64), required=False, max_length=100)
    disabled = serializers.BooleanField(required=False)
    metadata = TextMapField(required=False)


class ChannelMetaSerializer(WireSerializer):
    id = ULIDField()
    type = serializers.ChoiceField(choices=[WEBHOOK])


class FeatureMetaSerializer(WireSerializer):
    id = ULIDField()
    key = KeyField()


class NotificationRuleSerializer(WireSerializer):
    """Expects `shown_channels`; the context's `features` are the features by id."""

    id = ULIDField()
    type = serializers.ChoiceField(choices=EventType.values)
    name = TextField()
    channels = serializers.SerializerMethodField()
    thresholds = serializers.SerializerMethodField()
    features = serializers.SerializerMethodField()
    disabled = serializers.BooleanField()
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)

    @extend_schema_field(ChannelMetaSerializer(many=True))
    def get_channels(self, rule: Rule) -> list[dict[str, str]]:
        shown: list[Channel] = rule.shown_channels  # type: ignore[attr-defined]
        return [channel_meta(channel) for channel in shown]

    @extend_schema_field(UsageThresholdSerializer(many=True, required=False))
    def get_thresholds(self, rule: Rule) -> list[dict[str, Any]] | None:
        if rule.type != EventType.BALANCE_THRESHOLD:
            return None
        return [{"type": each["type"], "value": Decimal(each["value"])} for each in rule.thresholds]

    @extend_schema_field(FeatureMetaSerializer(many=True, required=False))
    def get_features(self, rule: Rule) -> list[dict[str, str]] | None:
        if not rule.feature_ids:
            return None
        known: Mapping[Any, Any] = self.context["features"]
        return [{"id": to_text(each), "key": known[each].key} for each in rule.feature_ids if each in known]


class AttemptResponseSerializer(WireSerializer):
    status_code = serializers.IntegerField(required=False)
    body = TextField(allow_blank=True)
    duration_ms = serializers.IntegerField()
    url = TextField(required=False)


class DeliveryAttemptSerializer(WireSerializer):
    state = serializers.SerializerMethodField()
    response = serializers.SerializerMethodField()
    timestamp = TimeField(source="at")

    @extend_schema_field(serializers.ChoiceField(choices=DeliveryState.values))
    def get_state(self, attempt: Attempt) -> str:
        return DeliveryState.SUCCESS.value if attempt.succeeded else DeliveryState.FAILED.value

    @extend_schema_field(AttemptResponseSerializer)
    def get_response(self, attempt: Attempt) -> Any:
        said = {
            "status_code": attempt.status_code,
            "body": attempt.body or attempt.error,
            "duration_ms": attempt.duration_ms,
            "url": attempt.url,
        }
        return AttemptResponseSerializer(said).data


class DeliveryStatusSerializer(WireSerializer):
    state = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    updated_at = TimeField()
    channel = serializers.SerializerMethodField()
    next_attempt = serializers.SerializerMethodField()
    attempts = DeliveryAttemptSerializer(many=True, source="shown_attempts")

    @extend_schema_field(serializers.ChoiceField(choices=DeliveryState.values))
    def get_state(self, delivery: Delivery) -> str:
        return state_of(delivery).value

    def get_reason(self, delivery: Delivery) -> str:
        return reason_of(delivery)

    @extend_schema_field(ChannelMetaSerializer)
    def get_channel(self, delivery: Delivery) -> dict[str, str]:
        return channel_meta(delivery.channel)

    @extend_schema_field(TimeField(required=False))
    def get_next_attempt(self, delivery: Delivery) -> str | None:
        at = next_attempt_at(delivery)
        return None if at is None else TimeField().to_representation(at)


class NotificationEventSerializer(WireSerializer):
    """Expects an event as `events_for_display` loads it; the context's `features` are the features by id."""

    id = ULIDField()
    type = serializers.ChoiceField(choices=EventType.values)
    created_at = TimeField()
    rule = serializers.SerializerMethodField()
    delivery_status = DeliveryStatusSerializer(many=True, source="shown_deliveries")
    payload = serializers.SerializerMethodField()

    @extend_schema_field(NotificationRuleSerializer)
    def get_rule(self, event: Event) -> Any:
        return NotificationRuleSerializer(event.rule, context=self.context).data

    @extend_schema_field(ObjectField())
    def get_payload(self, event: Event) -> Any:
        """What is sent, word for word."""
        return loads(event.body.encode())


class ResendSerializer(WireSerializer):
    """To which channels of its rule; all where none is named."""

    channels = serializers.ListField(child=ULIDField(), required=False, max_length=100)


def channel_meta(channel: Channel) -> dict[str, str]:
    """A channel as other things name it."""
    return {"id": to_text(channel.pk), "type": WEBHOOK}
