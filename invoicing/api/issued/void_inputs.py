"""What callers send to void an invoice, or to void and reissue it."""

import uuid
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from core import clock
from core.errors import field_error
from core.rest.fields import NumberField, TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer

ACTIONS = ("pending", "discard")


class VoidLineActionSerializer(WireSerializer):
    """`pending` bills the line's period again at the next close, `discard` waives it. A later time can't be set."""

    type = serializers.ChoiceField(choices=ACTIONS)
    next_invoice_at = TimeField(required=False)


class VoidActionSerializer(WireSerializer):
    """An invoice is voided whole: any other percentage than 100 is refused."""

    percentage = NumberField(minimum=100, maximum=100)
    action = VoidLineActionSerializer()


class VoidOverrideSerializer(WireSerializer):
    line_id = ULIDField()
    action = VoidActionSerializer()


class VoidInvoiceSerializer(WireSerializer):
    action = VoidActionSerializer()
    reason = TextField(max_length=1024)
    overrides = serializers.ListField(child=VoidOverrideSerializer(), required=False, allow_null=True, max_length=1000)


class ReissueInvoiceSerializer(WireSerializer):
    reason = TextField(max_length=1024)


def choices_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the service takes, from a validated body."""
    lines: dict[uuid.UUID, bool] = {}
    for index, override in enumerate(body.get("overrides") or ()):
        if override["line_id"] in lines:
            raise field_error(f"overrides.{index}.lineId", "twice", "This line is named twice.")
        lines[override["line_id"]] = _rebills(override["action"], f"overrides.{index}.action")
    return {"rebill": _rebills(body["action"], "action"), "reason": body["reason"], "lines": lines}


def _rebills(action: Mapping[str, Any], field: str) -> bool:
    at = action["action"].get("next_invoice_at")
    if at is not None and at > clock.now():
        raise field_error(
            f"{field}.action.nextInvoiceAt",
            "in_the_future",
            "What is voided is billed again at the next close. A later time can't be set: leave it out.",
        )
    return bool(action["action"]["type"] == "pending")
